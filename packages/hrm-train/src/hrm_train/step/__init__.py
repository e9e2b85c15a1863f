"""One compiled training step: loss, gradients, optimisers, and what they change."""

"""Command line that scores, shows and uses a trained Hierarchical Reasoning Model."""

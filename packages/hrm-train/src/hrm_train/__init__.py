"""Training of the Hierarchical Reasoning Model."""

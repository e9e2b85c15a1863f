"""Checkpoints: written atomically, checked for damage, and resumed bit for bit."""

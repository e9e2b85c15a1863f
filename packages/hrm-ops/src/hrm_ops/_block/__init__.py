"""Whole blocks, and the parts that only blocks need."""

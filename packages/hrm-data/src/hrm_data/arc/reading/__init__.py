"""Reads ARC tasks in every layout that they are published in, and chooses those that are held out."""

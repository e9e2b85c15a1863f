"""Trained models that come along: their weights, what is known of each, and which one fits a puzzle."""

"""Answering puzzles: in batches, as a stream, with noise, and with cells that are fixed on the way."""

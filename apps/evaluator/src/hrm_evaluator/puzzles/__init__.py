"""Reading a user's own puzzles from text, CSV and JSON files and from streams."""

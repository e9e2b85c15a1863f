"""Reading a user's own puzzles from files of several formats and from streams."""

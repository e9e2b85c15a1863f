"""The Sudoku solver: a search over many boards at once."""

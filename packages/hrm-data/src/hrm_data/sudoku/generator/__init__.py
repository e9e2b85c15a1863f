"""The Sudoku generator: completed grids, clues taken out of them, and hard puzzles bred from minimal ones."""

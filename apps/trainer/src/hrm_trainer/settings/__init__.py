"""The settings of a run: their fields, presets, files, and what belongs to its length."""

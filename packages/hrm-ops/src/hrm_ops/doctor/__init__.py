"""The device that MLX uses, whether MLX works on it, and how fast."""

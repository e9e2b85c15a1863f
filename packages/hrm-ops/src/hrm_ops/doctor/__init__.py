"""What this machine offers to MLX, and whether MLX works here and how fast."""

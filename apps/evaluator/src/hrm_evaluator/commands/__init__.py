"""What the commands do: score a model, solve puzzles, quantise a model."""

"""How good answers are: accuracy by step, by votes and by difficulty, and the rules of ARC."""

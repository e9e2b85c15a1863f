"""What a model answers: records of puzzle and answer, votes among answers, and the file of predictions."""

"""What is learnt from a batch: each objective is a weight for each token, with a denominator of its own."""

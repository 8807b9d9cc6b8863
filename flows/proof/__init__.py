"""What is proved for all inputs: neurons, netlists and the rules of streams."""

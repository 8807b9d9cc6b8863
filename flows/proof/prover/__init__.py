"""What the proofs of all layers share: evaluation, comparison, stages, streams and memory."""

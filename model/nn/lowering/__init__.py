"""Lowering: from a trained model to the integer network, exactly."""

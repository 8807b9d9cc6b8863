"""PyTorch modules that train with HTAF, and their lowering to the integer network."""

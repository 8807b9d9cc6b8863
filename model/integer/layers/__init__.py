"""The layers of integer networks, one kind a module."""

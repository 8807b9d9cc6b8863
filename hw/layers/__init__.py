"""The hardware of each kind of layer."""

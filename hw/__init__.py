"""Hardware: Amaranth components and the logic of each layer."""

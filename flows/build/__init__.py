"""From a network to a bitstream: synthesis, place and route, packing."""

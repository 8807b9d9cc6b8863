"""Streams between layers: their rules, stages, cycles and the order of bits."""

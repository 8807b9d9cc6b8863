"""Neurons and votes against their integer definition."""

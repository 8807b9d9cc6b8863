"""Recipes, the zoo and the training loop."""

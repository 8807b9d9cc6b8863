"""Verbs: the command line, synthesis, boards and reports."""

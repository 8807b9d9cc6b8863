"""The report on a run: a page for people, JSON for programs."""

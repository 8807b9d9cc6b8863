"""The report on a run: a page for people, JSON for programs."""

from htaflow.flows.report.report import report

__all__ = ["report"]

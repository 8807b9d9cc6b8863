"""The report on a run: a page for people, JSON for programs."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.flows.report.report import report

__all__ = [
    "report",
]

export(
    __name__,
    {
        "report": "report",
    },
)

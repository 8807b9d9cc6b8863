"""Networks that were trained elsewhere."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.model.importers.snntorch import from_snntorch

__all__ = [
    "from_snntorch",
]

export(
    __name__,
    {
        "snntorch": "from_snntorch",
    },
)

"""Networks that were trained elsewhere."""

from htaflow.model.importers.snntorch import from_snntorch

__all__ = ["from_snntorch"]

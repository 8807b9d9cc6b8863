"""Data sets: built in, downloaded, and the user's own."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.model.data.dataset import Dataset, make_dataset
    from htaflow.model.data.features import Features
    from htaflow.model.data.load import load
    from htaflow.model.data.options import DataOptions
    from htaflow.model.data.scale import Scale

__all__ = [
    "DataOptions",
    "Dataset",
    "Features",
    "Scale",
    "load",
    "make_dataset",
]

export(
    __name__,
    {
        "dataset": "Dataset make_dataset",
        "features": "Features",
        "load": "load",
        "options": "DataOptions",
        "scale": "Scale",
    },
)

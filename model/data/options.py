"""How a user's data are to be read, where the files themselves do not say."""

from dataclasses import dataclass, fields
from typing import Any

from htaflow.model.integer.network import MAX_FEATURE_BITS
from htaflow.model.support.errors import BadInputError, did_you_mean

LAYOUTS = ("nchw", "nhwc")
"""Orders of the axes of images: channels before, or after, height and width."""

MAX_SIDE = 1 << 12
"""Pixels of an image's height or width, at most, to which images are resized."""


@dataclass(frozen=True)
class DataOptions:
    """Options of :func:`htaflow.model.data.load.load`, and of ``train``.

    Attributes:
        label: the column of a table that holds the class; by default ``label``.
        drop: columns of a table to leave out.
        scale: bits to which features are scaled and rounded; see :mod:`htaflow.model.data.scale`.
        layout: order of the axes of images in an ``.npz`` file, one of :data:`LAYOUTS`.
        size: (height, width) to which images in files are resized.
        many_classes: whether labels that look like a measured quantity are classes all the same.

    Raises:
        BadInputError: a value that no data can have.
    """

    label: str | None = None
    drop: tuple[str, ...] = ()
    scale: int | None = None
    layout: str | None = None
    size: tuple[int, int] | None = None
    many_classes: bool = False

    def __post_init__(self) -> None:
        if self.scale is not None and not 1 <= self.scale <= MAX_FEATURE_BITS:
            raise BadInputError(f"scale is {self.scale}; use 1 to {MAX_FEATURE_BITS} bits")
        if self.layout is not None and self.layout not in LAYOUTS:
            raise BadInputError(f"no layout '{self.layout}'{did_you_mean(self.layout, LAYOUTS)}")
        if self.size is not None and not all(1 <= side <= MAX_SIDE for side in self.size):
            raise BadInputError(
                f"size is {self.size[0]}x{self.size[1]}; use 1 to {MAX_SIDE} pixels a side"
            )

    @property
    def given(self) -> dict[str, Any]:
        """Those that differ from their defaults, by name, as plain JSON values."""
        found = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value != each.default:
                found[each.name] = list(value) if isinstance(value, tuple) else value
        return found

    def require(self, where: str, kind: str, *known: str) -> None:
        """Raise ``BadInputError`` if an option is given that is not ``known`` here."""
        for name in self.given:
            if name not in known:
                raise BadInputError(
                    f"{where}: --{name.replace('_', '-')} says nothing about {kind}; leave it out"
                )

"""How an ONNX model is read: what a user may choose."""

from dataclasses import dataclass, field
from fractions import Fraction

from htaflow.model.data.options import DataOptions
from htaflow.model.importers.onnx.feature import InputScale


@dataclass(frozen=True)
class ImportOptions:
    """How an ONNX model is read, and on what it is tried.

    Attributes:
        scale: what a feature of 1 stands for in the graph, as ``1/255``.
        offset: what a feature of 0 stands for.
        bits: of a feature.
        signed: whether features are signed.
        data: a test set, as ``htaflow train --data`` takes it; by default random frames.
        data_options: how to read it.

    Without a scale and bits, the quantiser at the graph's input says both, if there is one; else
    features are 8-bit numbers as they are.
    """

    scale: Fraction | None = None
    offset: Fraction | None = None
    bits: int | None = None
    signed: bool = False
    data: str | None = None
    data_options: DataOptions = field(default_factory=DataOptions)

    @property
    def feature(self) -> InputScale | None:
        """What a feature stands for; None if the graph is to say it."""
        if self.scale is None and self.offset is None and self.bits is None and not self.signed:
            return None
        return InputScale(
            Fraction(1) if self.scale is None else self.scale,
            self.offset or Fraction(0),
            8 if self.bits is None else self.bits,
            self.signed,
        )

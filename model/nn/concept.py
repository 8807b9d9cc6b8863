"""The implicit concept bottleneck: binarised features that the decision is a weighted sum of."""

from collections.abc import Sequence

from torch import Tensor

from htaflow.model.integer import network
from htaflow.model.nn.block import Block
from htaflow.model.support.arguments import checked


class Concepts(Block):
    """Names the bits of the layer before it, which pass unchanged: ``[N, concepts]``.

    What makes them concepts is how that layer is trained, see
    :attr:`htaflow.model.nn.activation.HTAF.sharpening`.

    Raises ``ValueError`` if there is another number of names than concepts.

    Args:
        count: how many there are.
        names: one for each bit; by default ``c0``, ``c1`` and so on.
    """

    @checked
    def __init__(self, count: int, names: Sequence[str] | None = None) -> None:
        super().__init__()
        if names is not None and len(names) != count:
            raise ValueError(f"{len(names)} names for {count} concepts; name each once")
        self.names = tuple(f"c{index}" for index in range(count)) if names is None else tuple(names)

    def forward(self, bits: Tensor) -> Tensor:
        """Return ``bits``."""
        if bits.shape[-1] != len(self.names):
            raise ValueError(f"{bits.shape[-1]} bits come in for {len(self.names)} concepts")
        return bits

    def lower(self, name: str) -> network.Concepts:
        """Return the integer layer with the same names."""
        return network.Concepts(name, self.names)

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"{len(self.names)} concepts"

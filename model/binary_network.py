"""The model that is trained: an encoder and a chain of blocks."""

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from htaflow.model.activation import HTAF
from htaflow.model.block import Block
from htaflow.model.encode import Encoder, Quantiser

Mode = Literal["hard", "smooth"]
"""How a model is trained: forward through the step, or through HTAF that grows sharper."""


class BinaryNetwork(nn.Sequential):
    """An encoder, then blocks by name: hidden layers and a head that yields class scores.

    Input: integer features ``[N, features]``; output: scores ``[N, classes]``. The class of a frame
    is the index of its largest score, the lowest of equal ones.

    Args:
        encoder: features to bits or unsigned integers; its name is ``encode``.
        blocks: the others in order; a name becomes that of the integer layer.
    """

    def __init__(self, encoder: Encoder | Quantiser, blocks: dict[str, Block]) -> None:
        super().__init__(OrderedDict[str, nn.Module](encode=encoder, **blocks))

    @property
    def encoder(self) -> Encoder | Quantiser:
        """The first block."""
        first = self[0]
        assert isinstance(first, Encoder | Quantiser)
        return first

    @property
    def blocks(self) -> list[Block]:
        """All blocks after the encoder."""
        return [block for block in self.children() if isinstance(block, Block)][1:]

    def decide(self, bits: Tensor) -> Tensor:
        """Return the scores of frames that are already encoded, ``[N, classes]``."""
        for block in self.blocks:
            bits = block(bits)
        return bits

    def activations(self) -> list[HTAF]:
        """Every activation, first to last."""
        return [module for module in self.modules() if isinstance(module, HTAF)]

    def set_hard(self, hard: bool) -> None:
        """Switch every activation to the step (``True``) or to smooth HTAF."""
        for activation in self.activations():
            activation.hard = hard

    def set_mode(self, mode: Mode) -> None:
        """Switch every activation to what training in ``mode`` goes forward through."""
        for activation in self.activations():
            activation.hard = mode == "hard" and not activation.sharpening

"""The model that is trained: an encoder and a chain of blocks."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from htaflow.model.integer.problems import NAME_RULE, is_name
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.block import Block
from htaflow.model.nn.encode import Encoder, Quantiser
from htaflow.model.support.errors import BadInputError, abbreviate, kind_of

Mode = Literal["hard", "smooth"]
"""How a model is trained: forward through the step, or through HTAF that grows sharper."""


VERDICT = "argmax"
"""The name of the layer that :func:`htaflow.model.nn.lowering.lower.lower` adds."""


def require_block(name: str, block: object) -> None:
    """Raise ``BadInputError`` if the ``block`` called ``name`` cannot be lowered."""
    if not isinstance(block, Block):
        raise BadInputError(
            f"block '{name}' is {kind_of(block)}, which has no integer form; use the layers of "
            "htaflow.model.nn.block, conv, dhn, lookup, spiking and concept"
        )


def run_block(name: str, block: nn.Module, values: Tensor) -> Tensor:
    """Return what ``block`` makes of ``values``; ``BadInputError`` names it if it takes none."""
    try:
        return torch.as_tensor(block(values))
    except ValueError as error:
        raise BadInputError(f"block '{name}': {error}") from error


def named_blocks(model: nn.Sequential) -> list[tuple[str, nn.Module]]:
    """Return the modules of ``model`` by name, first to last, as often as they are used."""
    return [(name, block) for name, block in model._modules.items() if block is not None]


class BinaryNetwork(nn.Sequential):
    """An encoder, then blocks by name: hidden layers and a head that yields class scores.

    Input: integer features ``[N, features]``; output: scores ``[N, classes]``. The class of a frame
    is the index of its largest score, the lowest of equal ones.

    Args:
        encoder: features to bits or unsigned integers; its name is ``encode``.
        blocks: the others in order; a name becomes that of the integer layer.

    Raises ``BadInputError`` for what is no encoder or no block, and for names that layers cannot
    have; in use also for frames or values of a shape that a block cannot take, which it names.
    """

    def __init__(self, encoder: Encoder | Quantiser, blocks: Mapping[str, Block]) -> None:
        if not isinstance(encoder, Encoder | Quantiser):
            raise BadInputError(
                f"the encoder is {kind_of(encoder)}; use an Encoder or a Quantiser "
                "(htaflow.model.nn.encode)"
            )
        if not isinstance(blocks, Mapping):
            raise BadInputError(f"the blocks are {kind_of(blocks)}; use a dict of blocks by name")
        super().__init__(OrderedDict[str, nn.Module](encode=encoder))
        for name, block in blocks.items():
            self._check_block(name, block)
            self.add_module(name, block)

    def _check_block(self, name: object, block: object) -> None:
        """Raise ``BadInputError`` for a block that cannot be lowered, by its name or its kind."""
        if not isinstance(name, str) or not is_name(name):
            raise BadInputError(f"a block's name is {abbreviate(name)}; {NAME_RULE}")
        if name == VERDICT:
            raise BadInputError(f"a block is called '{name}', as the last layer is; rename it")
        if hasattr(self, name):
            raise BadInputError(
                f"a block is called '{name}', as a part of every model is; rename it"
            )
        require_block(name, block)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 -- as in PyTorch
        """Return the scores of frames, ``[N, classes]``."""
        return self._through(self.named_blocks(), input)

    def _through(self, blocks: Iterable[tuple[str, nn.Module]], values: Tensor) -> Tensor:
        """Return what ``blocks``, by name, make of ``values``, one after another."""
        for name, block in blocks:
            values = run_block(name, block, values)
        return values

    @property
    def encoder(self) -> Encoder | Quantiser:
        """The first block."""
        first = self[0]
        assert isinstance(first, Encoder | Quantiser)
        return first

    @property
    def blocks(self) -> list[Block]:
        """All blocks after the encoder."""
        return [block for _, block in self.named_blocks() if isinstance(block, Block)][1:]

    def named_blocks(self) -> list[tuple[str, nn.Module]]:
        """Every block by name, first to last; unlike a child, one used twice is there twice."""
        return named_blocks(self)

    def decide(self, bits: Tensor) -> Tensor:
        """Return the scores of frames that are already encoded, ``[N, classes]``."""
        return self._through(self.named_blocks()[1:], bits)

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

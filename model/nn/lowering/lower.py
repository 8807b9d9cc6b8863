"""Lowering: a trained model to an integer network, and the proof that both compute the same."""

import numpy as np
import torch
from torch import nn

from htaflow.model.integer import golden
from htaflow.model.integer.network import ArgMax, IntArray, Layer, Network
from htaflow.model.nn.block import Block
from htaflow.model.nn.network import (
    VERDICT,
    BinaryNetwork,
    named_blocks,
    require_block,
    run_block,
)
from htaflow.model.support.errors import BadInputError, MismatchError, kind_of

_BLOCK = 512  # frames at once, which bounds memory


def lower(model: BinaryNetwork, name: str) -> Network:
    """Return the integer network ``name`` of a trained ``model``: its layers, then an ArgMax.

    Sparse layers are taken at the fan-in that they have now. Raises ``BadInputError`` for
    parameters that are no numbers, or not on the CPU, and for what is no model of such blocks.
    """
    if not isinstance(model, nn.Sequential):
        raise BadInputError(f"the model is {kind_of(model)}; {_USE_A_MODEL}")
    _require_here(model)
    layers: list[Layer] = []
    for child, block in named_blocks(model):
        require_block(child, block)
        assert isinstance(block, Block)
        try:
            layers.append(block.lower(child))
        except ValueError as error:
            raise BadInputError(f"block '{child}': {error}") from error
    return Network(name, (*layers, ArgMax(VERDICT)))


_USE_A_MODEL = "use a BinaryNetwork (htaflow.model.nn.network)"


def _require_here(model: nn.Module) -> None:
    """Raise ``BadInputError`` if numbers of ``model`` are anywhere but in the CPU's memory."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.device.type != "cpu":
            raise BadInputError(f"tensor '{name}' is on {tensor.device}; move the model: .cpu()")


@torch.no_grad()
def prove_lowering(model: BinaryNetwork, network: Network, frames: IntArray) -> IntArray:
    """Check that the hard ``model`` and golden agree on every value of every layer.

    Args:
        model: what ``network`` was lowered from; left in hard evaluation mode.
        network: the integer network.
        frames: integers ``[N, features]``.

    Returns:
        The class of each frame, ``[N]``, as both say.

    Raises:
        BadInputError: the model is none, or not the one that the network was lowered from, or the
            frames are not those that it takes, or there are none.
        MismatchError: names the first layer that differs, its first frame and neuron.
    """
    if not isinstance(model, BinaryNetwork):
        raise BadInputError(f"the model is {kind_of(model)}; {_USE_A_MODEL}")
    frames = golden.check_frames(network, frames)
    if not len(frames):
        raise BadInputError("there are no frames to prove anything by; give at least one")
    _require_here(model)
    _require_same_layers(model, network)
    model.eval()
    model.set_hard(True)
    classes = []
    for start in range(0, len(frames), _BLOCK):
        block = frames[start : start + _BLOCK]
        expected = golden.trace(network, block)
        values = torch.as_tensor(block)
        for name, step in model.named_blocks():
            values = run_block(name, step, values)
            steps = network.values[name].steps
            _require_shape(name, values, expected[name])
            _require_equal(name, values.numpy(), expected[name], start, steps)
        chosen = values.argmax(dim=1, keepdim=True).numpy()
        _require_equal(network.layers[-1].name, chosen, expected[network.layers[-1].name], start)
        classes.append(chosen[:, 0])
    return np.concatenate(classes)


def _require_same_layers(model: BinaryNetwork, network: Network) -> None:
    """Raise ``BadInputError`` if ``network`` cannot have been lowered from ``model``."""
    here = [name for name, _ in model.named_blocks()] + [VERDICT]
    there = [layer.name for layer in network.layers]
    if here != there:
        raise BadInputError(
            f"network '{network.name}' has the layers {', '.join(there)}, the model "
            f"{', '.join(here)}: it was lowered from another one; lower this one"
        )


def _require_shape(layer: str, values: torch.Tensor, expected: IntArray) -> None:
    """Raise ``BadInputError`` if model and network yield different numbers of values."""
    if tuple(values.shape) != expected.shape:
        here, there = list(values.shape[1:]), list(expected.shape[1:])
        raise BadInputError(
            f"layer '{layer}' yields {here} in the model and {there} in the network, which was "
            "lowered from another one; lower this one"
        )


def _require_equal(
    layer: str,
    torch_says: IntArray,
    golden_says: IntArray,
    start: int,
    steps: int | None = None,
) -> None:
    """Raise ``MismatchError`` for the first value in which the two differ."""
    count = len(golden_says)
    flat = (count, -1) if steps is None else (count, steps, -1)
    torch_says, golden_says = torch_says.reshape(flat), golden_says.reshape(flat)
    differs = torch_says != golden_says
    if differs.any():
        where = tuple(map(int, np.argwhere(differs)[0]))
        frame, *at, neuron = where
        step = "".join(f", step {step}" for step in at)
        some = np.count_nonzero(differs.any(axis=tuple(range(differs.ndim - 1))))
        raise MismatchError(
            f"layer '{layer}', neuron {neuron}, frame {start + frame}{step}: PyTorch says "
            f"{torch_says[where]:g}, the integer network {golden_says[where]} "
            f"({some} of {differs.shape[-1]} neurons differ); "
            "if the model is as it was when it was lowered, this is a fault of htaflow: please "
            "report it"
        )

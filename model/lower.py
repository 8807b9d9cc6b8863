"""Lowering: a trained model to an integer network, and the proof that both compute the same."""

import numpy as np
import torch

from htaflow.model import golden
from htaflow.model.binary_network import BinaryNetwork
from htaflow.model.block import Block
from htaflow.model.errors import MismatchError
from htaflow.model.network import ArgMax, IntArray, Layer, Network

_BLOCK = 512  # frames at once: bounds memory, whatever the number of frames


def lower(model: BinaryNetwork, name: str) -> Network:
    """Return the integer network ``name`` of a trained ``model``: its layers, then an ArgMax.

    Sparse layers are taken at the fan-in that they have now. Raises ``BadInputError`` for
    parameters that are no numbers.
    """
    layers: list[Layer] = []
    for child, block in model.named_children():
        assert isinstance(block, Block)
        layers.append(block.lower(child))
    return Network(name, (*layers, ArgMax("argmax")))


@torch.no_grad()
def prove(model: BinaryNetwork, network: Network, frames: IntArray) -> IntArray:
    """Check that the hard ``model`` and golden agree on every value of every layer.

    Args:
        model: what ``network`` was lowered from; left in hard evaluation mode.
        network: the integer network.
        frames: integers ``[N, features]``.

    Returns:
        The class of each frame, ``[N]``, as both say.

    Raises:
        MismatchError: names the first layer that differs, its first frame and neuron.
    """
    model.eval()
    model.set_hard(True)
    classes = []
    for start in range(0, len(frames), _BLOCK):
        block = frames[start : start + _BLOCK]
        expected = golden.trace(network, block)
        values = torch.as_tensor(block)
        for name, step in model.named_children():
            values = step(values)
            steps = network.values[name].steps
            _require_equal(name, values.numpy(), expected[name], start, steps)
        chosen = values.argmax(dim=1, keepdim=True).numpy()
        _require_equal(network.layers[-1].name, chosen, expected[network.layers[-1].name], start)
        classes.append(chosen[:, 0])
    return np.concatenate(classes)


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
            "this is a fault of htaflow: please report it"
        )

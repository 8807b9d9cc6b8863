"""Lookup layers as logic: each neuron is the truth table that it is."""

import numpy as np

from htaflow.hw.layers.placement import layer_logic
from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.decompose import decompose
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.model.integer.network import IntArray, Lookup, Values


@layer_logic.register
def lookup_logic(
    layer: Lookup, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the logic of a ``Lookup``: its bits, the first neuron lowest."""
    logic = Logic(f"{layer.name}_logic", values.count, target, known)
    tables = np.packbits(layer.tables.astype(np.bool_), axis=1, bitorder="little")
    nets = np.asarray(logic.sources)[layer.source]
    plain = (nets == layer.source.astype(np.int64) + logic.inputs.start).all(axis=1)
    # Equal tables must look equal, so only those that read their bits in order pass as they are.
    plain &= (layer.source[:, 1:] > layer.source[:, :-1]).all(axis=1)
    for n, (table, inputs, simple) in enumerate(
        zip(tables, nets.tolist(), (_are_simple(layer) & plain).tolist(), strict=True)
    ):
        number = int.from_bytes(table.tobytes(), "little")
        if simple and target.cell:
            net = decompose(logic, number, inputs)
        else:
            net = logic.add(number, tuple(inputs)) if simple else logic.table(number, inputs)
        logic.name_bit(f"{layer.name}_n{n}", net)
        logic.outputs.append(net)
    return logic


def _are_simple(layer: Lookup) -> IntArray:
    """Tell which neurons read distinct bits and depend on every one of them, ``[out]`` bools."""
    ordered = np.sort(layer.source, axis=1)
    simple = (ordered[:, 1:] != ordered[:, :-1]).all(axis=1)
    for k in range(layer.source.shape[1]):
        halves = layer.tables.reshape(len(layer.tables), -1, 2, 1 << k)  # by the value of input k
        simple &= (halves[:, :, 0] != halves[:, :, 1]).any(axis=(1, 2))
    # A buffer is no table but its input itself.
    return np.asarray(simple & (layer.source.shape[1] > 1))

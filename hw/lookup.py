"""Lookup layers as logic: each neuron is the truth table that it is."""

from htaflow.hw.logic import Logic
from htaflow.model.network import Lookup, Values


def lookup_logic(layer: Lookup, values: Values) -> Logic:
    """Return the logic of a ``Lookup``: its bits, the first neuron lowest."""
    logic = Logic(f"{layer.name}_logic", values.count)
    weights = [1 << index for index in range(layer.tables.shape[1])]
    for n, (sources, bits) in enumerate(
        zip(layer.source.tolist(), layer.tables.tolist(), strict=True)
    ):
        table = sum(weight for weight, bit in zip(weights, bits, strict=True) if bit)
        net = logic.table(table, [logic.inputs[source] for source in sources])
        logic.name_bit(f"{layer.name}_n{n}", net)
        logic.outputs.append(net)
    return logic

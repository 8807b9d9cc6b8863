"""Faults of spiking neurons."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from htaflow.hw.layers.spiking import Membranes
from htaflow.hw.logic.netlist import Net
from htaflow.model.integer.network import Layer, Spiking, Values
from htaflow.sim.faults.fault import pick
from htaflow.sim.faults.inline import inline
from htaflow.sim.faults.layers.operators import Operators, Site, changed_at, operators
from htaflow.sim.faults.layers.transfers import Surroundings, Transfers, transfers
from htaflow.sim.faults.layers.weights import WEIGHTS, any_neuron


def _leak(rng: np.random.Generator, layer: Spiking) -> Site | None:
    choices = (1, 2) if layer.leak is None else (layer.leak - 1, layer.leak + 1)
    return {"to": choices[pick(rng, 2)]}


def _bias(rng: np.random.Generator, layer: Spiking) -> Site | None:
    return {**any_neuron(rng, layer), "by": (-1, 1)[pick(rng, 2)]}


def _drop(rng: np.random.Generator, layer: Spiking) -> Site | None:
    return _bias(rng, layer) if layer.reset == "subtract" else None


def _new_bias(layer: Spiking, at: Mapping[str, Any]) -> Layer:
    biases = np.zeros(len(layer.weights), np.int64) if layer.biases is None else layer.biases
    n = at["neuron"]
    return replace(layer, biases=changed_at(biases, n, int(biases[n]) + at["by"]))


def _new_drop(layer: Spiking, at: Mapping[str, Any]) -> Layer:
    n = at["neuron"]
    return replace(layer, drops=changed_at(layer.resets, n, int(layer.resets[n]) + at["by"]))


def _other_reset(layer: Spiking, at: Mapping[str, Any]) -> Layer:
    if layer.reset == "zero":
        return replace(layer, reset="subtract")
    return replace(layer, reset="zero", drops=None)


SPIKING: Operators = {
    "leak": (_leak, lambda layer, at: replace(layer, leak=at["to"])),
    "bias off by one": (_bias, _new_bias),
    "reset off by one": (_drop, _new_drop),
    "reset rule": (lambda rng, layer: {}, _other_reset),
}


@operators.register
def _(layer: Spiking, fed: Values) -> Operators:
    return WEIGHTS | SPIKING


@transfers.register
def _(part: Membranes, taken: Transfers, around: Surroundings) -> Transfers:
    neurons = len(part.output.payload)
    stored = len(part.logic.outputs) - neurons
    subtracts = part.layer.reset == "subtract"
    state: list[Net] = [0] * (stored + (neurons if subtracts else 0))
    spikes = []
    for at, bits in enumerate(taken):
        result = inline(part.logic, around.logic, bits + state)
        spikes.append(result[:neurons])
        state = result[neurons:] + (result[:neurons] if subtracts else [])
        if at % part.steps == part.steps - 1:
            state = [0] * len(state)
    return spikes

# amaranth: UnusedElaboratable=no
"""The function of one frame that a core's netlists make up is golden's."""

import networks
import numpy as np
import pytest

from htaflow.hw.network import NetworkCore
from htaflow.model.integer import golden
from htaflow.sim.faults.circuit import Circuit, evaluate
from htaflow.sim.faults.network_faults import apply, draw


def numbers(network, planes, frames):
    """The numbers of the result, in order, ``[frames, numbers]``."""
    bits = np.array([np.unpackbits(plane.view(np.uint8), bitorder="little") for plane in planes])
    bits = bits[:, :frames].astype(np.int64)
    found, at = [], 0
    for values in network.outputs.values():
        for _ in range(values.count):
            number = (bits[at : at + values.width] << np.arange(values.width)[:, None]).sum(axis=0)
            if values.signed:
                number -= (number >> (values.width - 1)) << values.width
            found.append(number)
            at += values.width
    assert at == len(bits)
    return np.stack(found, axis=1)


def some_network(kind, seed):
    rng = np.random.default_rng(seed)
    ending = networks.ENDINGS[seed % len(networks.ENDINGS)]
    if kind == "flat":
        return networks.random_network(
            rng, ending=ending, signed=bool(seed % 2), kept_bits=seed % 3, lookups=0.3
        )
    if kind == "image":
        return networks.random_image_network(rng, ending=ending)
    return networks.random_spiking_network(rng, ending=ending)


@pytest.mark.parametrize("kind", ["flat", "image", "spiking"])
@pytest.mark.parametrize("bus_bits", [None, 16])
def test_a_circuit_computes_what_golden_does(kind, bus_bits):
    for seed in range(6):
        network = some_network(kind, seed)
        frames = networks.random_frames(network, np.random.default_rng(seed), 100)
        circuit = Circuit(network.input)
        circuit.logic.outputs = circuit.add(NetworkCore(network, bus_bits, depth=2))
        planes = evaluate(circuit.logic, circuit.planes(frames))
        expected = [result.reshape(100, -1) for result in golden.run(network, frames).values()]
        assert np.array_equal(numbers(network, planes, 100), np.concatenate(expected, axis=1))


def test_one_core_twice_is_the_same_nets(rng):
    network = networks.random_network(rng)
    circuit = Circuit(network.input)
    once, twice = (circuit.add(NetworkCore(network)) for _ in range(2))
    assert circuit.difference(once, twice) is None


def test_a_difference_is_1_exactly_where_golden_differs(rng):
    network = networks.random_network(rng)
    frames = networks.random_frames(network, rng, 500)
    circuit, differs = Circuit(network.input), None
    while differs is None:  # some weights make no difference
        fault = draw(rng, network, "weight sign", "hidden1")
        if fault is None:
            continue
        mutant = apply(network, fault)
        cores = (NetworkCore(network), NetworkCore(mutant))
        differs = circuit.difference(*map(circuit.add, cores))
    (plane,) = evaluate(differs, circuit.planes(frames))
    found = np.unpackbits(plane.view(np.uint8), bitorder="little")[:500]
    right, wrong = golden.run(network, frames), golden.run(mutant, frames)
    expected = np.any([np.any(right[name] != wrong[name], axis=1) for name in right], axis=0)
    assert 0 < expected.sum() < 500
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("signed", [False, True])
def test_a_circuits_inputs_are_a_frame_again(rng, signed):
    network = networks.random_network(rng, signed=signed)
    frame = networks.random_frames(network, rng, 1)
    circuit = Circuit(network.input)
    bits = sum(int(plane[0] & np.uint64(1)) << at for at, plane in enumerate(circuit.planes(frame)))
    assert np.array_equal(circuit.frame(bits), frame[0])

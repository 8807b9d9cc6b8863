# amaranth: UnusedElaboratable=no
"""Faults: each changes the design, lies where it says, and is drawn again from the same seed."""

from collections import Counter

import networks
import numpy as np
import pytest

from htaflow.model.integer.network import Concepts, Network, Values
from htaflow.sim.faults import mutant, network_faults, part_faults
from htaflow.sim.faults import stream_faults as tampered
from htaflow.sim.faults.fault import Fault, FaultError
from htaflow.sim.faults.layers import encode, lookup, scale, spiking, weights, window


def a_design(network, bus_bits=None, depth=None):
    core = mutant.NetworkCore(network, bus_bits, depth=depth)
    names = tuple(layer.name for layer in network.layers)
    return mutant.HardwareOptions(network, core.input_layout.bus_bits, "portable", names, depth)


def with_concepts(network):
    """Name the bits of the last layer before the votes."""
    *layers, vote, argmax = network.layers
    names = tuple(f"concept {n}" for n in range(network.values[layers[-1].name].count))
    return Network("named", (*layers, Concepts("concepts", names), vote, argmax))


def designs():
    """Designs that have every kind of layer between them."""
    rng = np.random.default_rng
    return {
        "flat": a_design(networks.random_network(rng(1), lookups=0.5, hidden=(8, 8, 8)), 8),
        "wide": a_design(networks.random_network(rng(2), kept_bits=3, weight_bits=4), depth=2),
        "named": a_design(with_concepts(networks.random_network(rng(1)))),
        "image": a_design(networks.random_image_network(rng(1), windows=4)),
        "pooled": a_design(networks.random_image_network(rng(5))),
        "levels": a_design(networks.random_level_network(rng(3))),
        "spiking": a_design(networks.random_spiking_network(rng(4))),
        "leaky": a_design(networks.random_spiking_network(rng(25)), depth=2),
    }


NETWORK_KINDS = {
    *weights.WEIGHTS,
    *spiking.SPIKING,
    *window.padding(Values((1, 2, 2), 0, 1)),
    *encode.ENCODE,
    *scale.SCALE,
    *lookup.tables(1),
}
PART_KINDS = part_faults.SEQUENTIAL | {"wire moved", "wires swapped", "tie rule"}


def test_every_kind_of_fault_changes_the_verilog_and_keeps_the_ports():
    seen = set()
    for design in designs().values():
        right = mutant.right(design).verilog
        ports = right[right.index("module top(") : right.index("endmodule")].splitlines()[0]
        rng = np.random.default_rng(0)
        kinds = {kind: (True, layer) for kind, layer in network_faults.kinds(design.network)}
        found = [(kind, *where) for kind, where in kinds.items() if kind not in seen]
        of_parts = {kind: (False, name) for kind, name in part_faults.kinds(design.core())}
        found += [(kind, *where) for kind, where in of_parts.items() if kind not in seen]
        for kind, in_network, name in found:
            for _ in range(40):
                if in_network:
                    fault = network_faults.draw(rng, design.network, kind, name)
                else:
                    fault = part_faults.draw(rng, design.core(), kind, name)
                if fault is not None:
                    made = mutant.make(design, fault)
                    if made.verilog != right:  # one that is equal is proved to be so
                        assert ports in made.verilog
                        seen.add(kind)
                        break
    assert seen == NETWORK_KINDS | PART_KINDS


@pytest.mark.parametrize("kind", sorted(part_faults.STAGE_FAULTS))
def test_a_fault_that_does_not_find_its_place_is_an_error(kind, monkeypatch):
    design = designs()["named"]
    name = design.network.layers[-1].name
    monkeypatch.setitem(part_faults.STAGE_FAULTS, kind, ("if (none) {own} <= 1;", "nothing"))
    with pytest.raises(FaultError, match=r"its place, 'if .none. .*', is 0 times in module layers"):
        mutant.make(design, Fault(kind, name, {"register": 0}))


def test_a_fault_of_the_network_that_changes_nothing_is_an_error():
    design = designs()["flat"]
    lookup = next(layer for layer in design.network.layers if layer.type == "Lookup")
    same = Fault(
        "wire moved", lookup.name, {"neuron": 0, "input": 0, "to": int(lookup.source[0, 0])}
    )
    with pytest.raises(FaultError, match="changes nothing in the network"):
        mutant.make(design, same)


def test_a_seed_draws_the_same_faults_and_another_seed_others():
    design = designs()["flat"]
    first, again, other = (mutant.draw(design, 50, seed) for seed in (3, 3, 4))
    assert [str(fault) for fault in first] == [str(fault) for fault in again]
    assert {str(fault) for fault in first} != {str(fault) for fault in other}
    assert [Fault(**fault.describe()) for fault in first] == first


def test_kinds_and_layers_take_turns():
    design = designs()["flat"]
    every = mutant.draw(design, 10_000, 0)
    buckets = Counter((fault.kind, fault.layer) for fault in every)
    count = len(buckets)
    drawn = Counter((fault.kind, fault.layer) for fault in mutant.draw(design, count, 0))
    assert len(drawn) == count
    assert set(drawn.values()) == {1}
    assert len({str(fault) for fault in every}) == len(every)


def test_every_tampered_part_keeps_its_name_and_ports():
    core = designs()["flat"].core()
    encoder = core.parts[0]
    for wrong in (*tampered.ANYWHERE.values(), *tampered.ENCODER.values()):
        part = wrong(encoder)
        assert part.probe == encoder.probe
        assert part.pipelines == encoder.pipelines

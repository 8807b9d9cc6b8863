# amaranth: UnusedElaboratable=no
"""Every layer type is asked for at every station; one that a station forgets is refused there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, get_type_hints

import numpy as np
import pytest
from chains import random_chain

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.definition import computes, define, define_step, define_total
from htaflow.flows.report.parameters import parameters
from htaflow.hw.layers import Placement, layer_parts
from htaflow.hw.layers.encode import encode_logic
from htaflow.hw.logic.target import PORTABLE, TARGETS
from htaflow.hw.lower_bound import lower_bound
from htaflow.hw.network import NetworkCore
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.layout import InputLayout
from htaflow.model.integer import golden
from htaflow.model.integer.file import load_network, save_network
from htaflow.model.integer.network import (
    LAYER_TYPES,
    FirstLayer,
    Flatten,
    Layer,
    Network,
    Steps,
    Unflatten,
    Values,
)
from htaflow.model.support.errors import BadInputError
from htaflow.sim.faults.circuit import Circuit
from htaflow.sim.faults.layers import operators
from htaflow.sim.faults.part_faults import kinds, logic_kinds

SEEDS = 200

DEFINED_BY_STEP = {get_type_hints(step)["layer"] for step in (define_step, define_total)}
MOVES_BITS = {Unflatten, Flatten, Steps}
"""They compute nothing; that the right bits move is proved of their streams."""


@dataclass(frozen=True)
class Example:
    network: Network
    index: int

    @property
    def layer(self) -> Layer:
        return self.network.layers[self.index]

    @property
    def fed(self) -> Values:
        return [self.network.input, *self.network.values.values()][self.index]


def find_examples() -> dict[type[Layer], Example]:
    """Return a network with each type of layer, out of the random ones that tests use."""
    found: dict[type[Layer], Example] = {}
    for seed in range(SEEDS):
        network, _ = random_chain(np.random.default_rng(seed))
        for index, layer in enumerate(network.layers):
            found.setdefault(type(layer), Example(network, index))
    return found


@pytest.fixture(scope="module")
def examples() -> dict[type[Layer], Example]:
    return find_examples()


def execute(layer: Layer, fed: Values) -> None:
    golden.prepare(layer, fed)


def build(layer: Layer, fed: Values) -> None:
    if isinstance(layer, FirstLayer):
        encode_logic(layer, InputLayout(layer.input))
    else:
        place = Placement(fed, layer.output(fed), None, PORTABLE, True, None, "layers", 0)
        assert layer_parts(layer, place)


def state(layer: Layer, fed: Values) -> None:
    if type(layer) not in DEFINED_BY_STEP | MOVES_BITS and not computes(layer):
        define(layer, Bdd(), fed, [])


def inject(layer: Layer, fed: Values) -> None:
    operators(layer, fed)


def describe(layer: Layer, fed: Values) -> None:
    told = parameters(layer, fed)
    assert all(isinstance(text, str) for pair in told.items() for text in pair)


def draw(layer: Layer, fed: Values) -> None:
    count = layer.output(fed).count
    wires = [layer.wires_to(output, fed) for output in range(count)]
    assert all(0 <= index < fed.count for each in wires for index, _ in each)
    fan_in = layer.fan_in
    if layer.dimensions == (1,) and fan_in is not None:
        assert fan_in.tolist() == [len(each) for each in wires]
    assert layer.noun(layer.output(fed))


STATIONS = (execute, build, state, inject, describe, draw)


@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.parametrize("kind", LAYER_TYPES.values(), ids=LAYER_TYPES)
def test_every_station_knows_every_type(
    kind: type[Layer],
    station: Callable[[Layer, Values], None],
    examples: dict[type[Layer], Example],
) -> None:
    station(examples[kind].layer, examples[kind].fed)


def test_random_networks_have_every_type(examples: dict[type[Layer], Example]) -> None:
    assert set(examples) == set(LAYER_TYPES.values())


@pytest.mark.parametrize("kind", LAYER_TYPES.values(), ids=LAYER_TYPES)
def test_every_type_comes_back_from_its_file(
    kind: type[Layer], examples: dict[type[Layer], Example], tmp_path: Path
) -> None:
    network, index = examples[kind].network, examples[kind].index
    save_network(network, tmp_path / "network.safetensors")
    again = load_network(tmp_path / "network.safetensors")
    assert again.digest == network.digest
    assert type(again.layers[index]) is kind


@pytest.mark.parametrize("kind", LAYER_TYPES.values(), ids=LAYER_TYPES)
def test_faults_of_parts_are_known_of_every_type(
    kind: type[Layer], examples: dict[type[Layer], Example]
) -> None:
    assert kinds(NetworkCore(examples[kind].network))


@pytest.mark.parametrize("kind", LAYER_TYPES.values(), ids=LAYER_TYPES)
def test_every_part_of_every_type_is_bounded_and_has_a_circuit(
    kind: type[Layer], examples: dict[type[Layer], Example]
) -> None:
    core = NetworkCore(examples[kind].network, target=TARGETS["ice40"])
    assert Circuit(core.network.input).add(core)
    assert lower_bound(core, enough=1 << 30).registers >= 0


def test_a_part_that_nobody_has_heard_of_is_refused(
    examples: dict[type[Layer], Example],
) -> None:
    core = NetworkCore(examples[Flatten].network, target=TARGETS["ice40"])
    core.parts[0] = LayerComponent("unheard", 8, 8)
    with pytest.raises(NotImplementedError, match="no circuit of a LayerComponent"):
        Circuit(core.network.input).add(core)
    with pytest.raises(NotImplementedError, match="no lower bound of a LayerComponent"):
        lower_bound(core, enough=1)


def test_a_type_whose_logic_has_no_faults_registered_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="Forgotten"):
        logic_kinds(FORGOTTEN[0])


class Forgotten(Layer):
    """A type that no station has heard of: each bit inverted."""

    type: ClassVar[str] = "Forgotten"

    def output(self, values: Values) -> Values:
        return values

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        yield from ()


class ForgottenFirst(FirstLayer):
    """The same for a first layer."""

    type: ClassVar[str] = "ForgottenFirst"

    def output(self, values: Values) -> Values:
        return replace(values, low=0, high=1)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        yield from ()


FORGOTTEN = (Forgotten("forgotten"), ForgottenFirst("encode", 4, 1, False))


def test_a_type_that_does_not_say_whether_it_has_neurons_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="no fan-in is known of a Forgotten"):
        _ = FORGOTTEN[0].fan_in


@pytest.mark.parametrize("layer", FORGOTTEN, ids=lambda layer: layer.type)
def test_a_type_that_does_not_name_what_it_yields_is_refused(layer: Layer) -> None:
    with pytest.raises(NotImplementedError, match=f"no noun .* a {layer.type} yields"):
        layer.noun(Values((4,), 0, 1))


@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.parametrize("layer", FORGOTTEN, ids=lambda layer: layer.type)
def test_a_type_that_a_station_forgets_is_refused_there(
    layer: Layer, station: Callable[[Layer, Values], None]
) -> None:
    with pytest.raises(NotImplementedError, match=layer.type):
        station(layer, Values((4,), 0, 1))


def test_a_type_that_is_not_listed_is_refused_in_a_file(tmp_path: Path) -> None:
    network = Network("net", FORGOTTEN[::-1])
    save_network(network, tmp_path / "network.safetensors")
    with pytest.raises(BadInputError, match="unknown type 'Forgotten'"):
        load_network(tmp_path / "network.safetensors")


def test_a_type_that_no_random_network_has_is_noticed(
    examples: dict[type[Layer], Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LAYER_TYPES, "Forgotten", Forgotten)
    with pytest.raises(AssertionError):
        test_random_networks_have_every_type(examples)

# amaranth: UnusedElaboratable=no
# Cores are made only to ask for their size.
import numpy as np
import pytest
from networks import (
    ENDINGS,
    random_image_network,
    random_level_network,
    random_network,
    random_spiking_network,
)

from htaflow.flows.boards.board import known_boards, load_board
from htaflow.flows.build.area import count_area
from htaflow.flows.build.build import build
from htaflow.flows.families import place_and_route
from htaflow.hw.logic.target import find_target
from htaflow.hw.lower_bound import LowerBound, lower_bound
from htaflow.hw.network import NetworkCore
from htaflow.model.integer.file import save_network
from htaflow.model.integer.network import ArgMax, Dense, Encode, GroupSum, Network
from htaflow.model.support.errors import DoesNotFitError

pytest_plugins = ["fake_tools"]

FAMILIES = ("ice40", "ecp5")
NO_END = 10**9


def bound(network: Network, family: str, enough: int = NO_END) -> LowerBound:
    return lower_bound(NetworkCore(network, None, find_target(family)), enough)


def check(network: Network, family: str) -> float:
    """Check the bound against Yosys's count of the same logic; return its share in the latter."""
    found = bound(network, family)
    counted = count_area(network, family, mappings=("cells",))
    assert found.tables <= counted["LUT"]
    assert found.registers <= counted["FF"]
    return float(found.tables / counted["LUT"])


def dense_chain(rng: np.random.Generator, *widths: int) -> Network:
    """Dense layers of random signs, ``widths`` from the encoder's to the classes'."""
    bits, *sizes = widths
    layers = [Encode("encode", bits, 8, False, np.arange(bits), np.full(bits, 128))]
    for number, size in enumerate(sizes, 1):
        weights = rng.choice(np.array([-1, 1], np.int8), (size, bits))
        last = number == len(sizes)
        layers.append(Dense(f"dense{number}", weights, None if last else np.zeros(size, int)))
        bits = size
    return Network("dense", (*layers, ArgMax("best")))


def random_kind(kind: int, seed: int) -> Network:
    rng = np.random.default_rng(seed)
    ending = ENDINGS[seed % len(ENDINGS)]
    if kind == 0:
        return random_network(
            rng, bits=24, features=12, hidden=(30, 20), fan_in=None, ending=ending
        )
    if kind == 1:
        weight_bits = (2, 2, 4)[seed % 3]
        return random_network(
            rng,
            bits=70,
            features=40,
            hidden=(20, 30),
            fan_in=(None, 16, 65)[seed // 3 % 3],
            weight_bits=weight_bits,
            lookups=0.3,
            ending=ending,
        )
    if kind == 2:
        return random_spiking_network(rng)
    return random_image_network(rng) if kind == 3 else random_level_network(rng)


@pytest.mark.parametrize(("kind", "family"), [(0, "ice40"), (1, "ecp5"), (2, "ice40"), (4, "ecp5")])
def test_yosys_counts_no_less_but_not_much_more(kind, family):
    assert check(random_kind(kind, 1), family) > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", range(5))
def test_yosys_counts_no_less_of_many(kind, family):
    for seed in range(2, 12):
        check(random_kind(kind, seed), family)


def wasteful(kind: str) -> Network:
    """A network, most of which synthesis throws away."""
    rng = np.random.default_rng(4)
    first = rng.choice([-1, 1], (60, 70))
    second = np.zeros((9, 60), int)
    if kind == "dead neurons":  # only 9 of 60 are read
        second[range(9), range(9)] = 1
    elif kind == "equal neurons":  # of which there are 2
        first = first[rng.integers(0, 2, 60)]
        second = rng.choice([-1, 1], (9, 60))
    elif kind == "constant neurons":
        second = rng.choice([-1, 1], (9, 60))
    thresholds = np.full(60, 71 if kind == "constant neurons" else 0)
    return Network(
        "wasteful",
        (
            Encode("encode", 70, 1, False, np.arange(70), np.ones(70, int)),
            Dense("first", first, thresholds),
            Dense("second", second, np.ones(9, int)),
            GroupSum("vote", 3),
            ArgMax("best"),
        ),
    )


WASTEFUL = ("dead neurons", "equal neurons", "constant neurons")


@pytest.mark.parametrize("kind", WASTEFUL)
def test_what_synthesis_throws_away_does_not_count(kind):
    whole = bound(dense_chain(np.random.default_rng(4), 70, 60, 9), "ice40").tables
    assert bound(wasteful(kind), "ice40").tables < 0.4 * whole


@pytest.mark.slow
@pytest.mark.parametrize("kind", WASTEFUL)
def test_yosys_throws_no_more_away(kind):
    check(wasteful(kind), "ice40")


def test_every_board_has_a_size():
    for name in known_boards():
        board = load_board(name)
        assert board.logic_cells == place_and_route(board.family).logic_cells[board.device]


def test_a_hopeless_network_is_refused_before_yosys_starts(tmp_path, fake):
    network = dense_chain(np.random.default_rng(0), 300, 300, 10)
    save_network(network, tmp_path / "run" / "network.safetensors")
    with pytest.raises(DoesNotFitError, match="too large: it needs at least 5") as caught:
        build(tmp_path / "run", "icebreaker")
    assert "LUTs, the board has 5280" in str(caught.value)
    assert "train a smaller network" in str(caught.value)
    assert not (tmp_path / "calls").exists()  # no tool has run
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["network.safetensors"]


def test_every_neuron_that_matters_needs_a_flip_flop():
    found = bound(dense_chain(np.random.default_rng(0), 30, 20, 12, 3), "ecp5")
    # Three scores of 5 bits, which are odd or even together, and the class in two bits.
    assert 20 + 12 + 3 * 4 + 2 <= found.registers <= 20 + 12 + 2 * (3 * 5) + 2


def test_too_many_flip_flops_are_refused(run, fake, monkeypatch):
    def few_tables(core: NetworkCore, enough: int) -> LowerBound:
        return LowerBound(10, 5281)

    monkeypatch.setattr("htaflow.flows.build.fit.lower_bound", few_tables)
    with pytest.raises(DoesNotFitError, match="at least 5281 flip-flops, the board has 5280"):
        build(run, "icebreaker")


@pytest.mark.slow
def test_a_million_weights_a_layer_are_refused_in_seconds(tmp_path, fake):
    network = dense_chain(np.random.default_rng(0), 784, 1024, 1024, 1024, 10)
    save_network(network, tmp_path / "run" / "network.safetensors")
    with pytest.raises(DoesNotFitError, match=r"at least \d+ LUTs, the board has 24288"):
        build(tmp_path / "run", "ulx3s-25f")

"""Every neuron is proved, and a fault in any kind of layer is found and named."""

import re
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from chains import random_chain

from htaflow.flows.proof.bdd import Bdd, deep_recursion
from htaflow.flows.proof.gate_reader import read_gates
from htaflow.flows.proof.gates import Gates
from htaflow.flows.proof.layers import LayerProof, prove_layer, prove_layers
from htaflow.flows.proof.layers.membranes import stays_within
from htaflow.flows.proof.prover.prover import Prover
from htaflow.hw.verilog import Design, generate
from htaflow.model.importers.snntorch import from_snntorch
from htaflow.model.integer.network import (
    LAYER_TYPES,
    Accumulate,
    ArgMax,
    Conv2d,
    Dense,
    Encode,
    Flatten,
    GroupSum,
    Layer,
    Lookup,
    Network,
    Spiking,
    Steps,
    Unflatten,
    Values,
)


@pytest.fixture(autouse=True)
def deep() -> Iterator[None]:
    with deep_recursion():
        yield


def encode(bits: int, feature_bits: int = 2) -> Encode:
    return Encode("encode", bits, feature_bits, False, np.arange(bits), np.full(bits, 1))


def network_of(*layers: Layer) -> Network:
    return Network("net", layers)


def proofs_of(network: Network, design: Design, text: str | None = None) -> dict[str, LayerProof]:
    target = design.interface["target"]
    gates = read_gates(design.text if text is None else text, "top", target)
    return {proof.name: proof for proof in prove_layers(gates, network, design.interface)}


def changed(text: str, old: str, new: str) -> str:
    """``text`` with the first ``old``, which must be there, replaced."""
    assert re.search(old, text), old
    return re.sub(old, new, text, count=1)


def open_ones(proofs: dict[str, LayerProof]) -> set[str]:
    return {name for name, proof in proofs.items() if not proof.closed}


@pytest.mark.parametrize("kind", LAYER_TYPES)
def test_every_layer_type_has_a_proof(kind: str) -> None:
    assert prove_layer.dispatch(LAYER_TYPES[kind]) is not prove_layer.dispatch(object)


def test_a_layer_type_without_a_proof_is_refused() -> None:
    class Other(Layer):
        type = "Other"

    network = network_of(encode(2))
    prover = Prover(Gates({}, {}, {}, {}, {}, {}), network, {"stages": []})
    with pytest.raises(NotImplementedError, match="no proof of a Other"):
        prove_layer(Other("other"), prover, network.input, LayerProof("other", "Other"))


def is_large(layer: Layer, fed: Values) -> bool:
    """Whether a layer weighs by several bits, takes numbers of several bits, or very many bits."""
    neurons = getattr(layer, "neurons", layer)
    return (
        not fed.is_bits
        or fed.count > 100
        or (isinstance(neurons, Dense) and not neurons.is_ternary)
    )


def check_random(seed: int) -> None:
    """Every layer is proved, up to one that is open for its size alone.

    What follows that one was built from what is known of its outputs, and so is not asked for.
    """
    network, options = random_chain(np.random.default_rng(seed))
    design = generate(network, **options)
    layers = {layer.name: layer for layer in network.layers}
    fed = dict(zip(layers, [network.input, *network.values.values()], strict=False))
    for name, proof in proofs_of(network, design).items():
        assert not proof.failures, (seed, proof)
        if not proof.closed:
            assert re.search(r"more than \d+ (nodes|values)", proof.open), (seed, proof)
            assert is_large(layers[name], fed[name]), (seed, proof)
            return


@pytest.fixture
def fewer_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that is too large is given up within seconds."""
    monkeypatch.setattr(Bdd.__init__, "__defaults__", (400_000,))


def test_neurons_that_are_constant_need_no_register_behind_them() -> None:
    encode = Encode("encode", 2, 2, False, np.arange(2), np.full(2, 1))
    weights = np.array([[1, 0], [0, 1]])
    dense = Dense("dense", weights, np.array([0, 1]), "unipolar")  # the first is always 1
    spikes = Spiking("spikes", np.array([[1, 1]]), np.array([1]))
    network = Network("n", (encode, dense, Steps("steps", 2), spikes, Accumulate("count")))
    for pipeline in ([], ["steps"], None):
        proofs = proofs_of(network, generate(network, pipeline=pipeline))
        assert not open_ones(proofs), pipeline


def test_bits_that_no_step_reads_need_not_be_there() -> None:
    weights = np.array([[1, 0, 1], [0, 0, 1]])
    for coding, bits in (("direct", 3), ("split", 6)):
        spikes = Spiking("spikes", weights, np.array([1, 1]))
        steps = Steps("steps", 2, coding)
        network = Network("n", (encode(bits, 4), steps, spikes, Accumulate("count")))
        proofs = proofs_of(network, generate(network, 8))
        assert not open_ones(proofs)
        assert proofs["steps"].assumed == f"{2 * bits // 3} of {bits} bits are read; " + (
            "the others are not proved"
        )


@pytest.mark.parametrize("seed", [0, 2, 20, 119])
def test_every_neuron_of_a_random_network_is_proved(seed: int) -> None:
    check_random(seed)


@pytest.mark.slow
@pytest.mark.usefixtures("fewer_nodes")
@pytest.mark.parametrize("seed", range(100, 200))
def test_every_neuron_of_many_random_networks_is_proved(seed: int) -> None:
    check_random(seed)


def flat() -> Network:
    """Tables, a popcount of 16, votes and ArgMax; one neuron of the first layer is constant."""
    rng = np.random.default_rng(5)
    tables = rng.integers(0, 2, (20, 16))
    tables[3] = 1
    lookup = Lookup("hidden", rng.permuted(np.tile(np.arange(8), (20, 1)), axis=1)[:, :4], tables)
    weights = rng.choice([-1, 1], (6, 20))
    dense = Dense("wide", weights, rng.integers(-3, 4, 6))
    return network_of(encode(8), lookup, dense, GroupSum("vote", 3), ArgMax("argmax"))


def test_what_the_layer_before_guarantees_is_stated_where_it_is_used() -> None:
    network = flat()
    proofs = proofs_of(network, generate(network))
    assert not open_ones(proofs)
    assert [proof.items for proof in proofs.values()] == [8, 20, 6, 3, 4, 4]
    assert proofs["wide"].assumed.startswith("1 inputs are constant")


# Each fault: what in the Verilog is replaced by what, and the layer and neuron that must be named.
FAULTS = {
    "a threshold of the encoder": (r"(wire encode_f2_ge_1 = )(.*);", r"\1x[4];"),
    "a table's entry": (r"(wire hidden_n5 = )(.*);", r"\1~(\2);"),
    "a constant that others rely on": (r"1'b1(, hidden_n2, hidden_n1, hidden_n0\})", r"1'b0\1"),
    "a popcount": (r"(wire wide_n2 = )(.*);", r"\1~(\2);"),
    "a vote": (r"(wire vote_score1_b0 = )(.*);", r"\1~(\2);"),
    "a tie": (r"(wire argmax_class_b0 = )(.*);", r"\1~(\2);"),
    "the order of the result": (
        r"assign m_axis_tdata = \{ (.*), (.*) \};",
        r"assign m_axis_tdata = { \2, \1 };",
    ),
}
NAMED = {
    "a threshold of the encoder": ("encode", 2),
    "a table's entry": ("hidden", 5),
    "a constant that others rely on": ("hidden", 3),
    "a popcount": ("wide", 2),
    "a vote": ("vote", 1),
    "a tie": ("argmax", 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_the_neuron_is_named(fault: str) -> None:
    network = flat()
    design = generate(network)
    proofs = proofs_of(network, design, changed(design.text, *FAULTS[fault]))
    if fault not in NAMED:
        assert open_ones(proofs) == {"result"}
        return
    layer, neuron = NAMED[fault]
    assert open_ones(proofs) == {layer}
    failures = proofs[layer].failures
    assert [failure["neuron"] for failure in failures] == [neuron]
    assert failures[0]["defined"] != failures[0]["verilog"]


def test_a_counterexample_is_one() -> None:
    network = flat()
    design = generate(network)
    text = changed(design.text, *FAULTS["a table's entry"])
    failure = proofs_of(network, design, text)["hidden"].failures[0]
    lookup = network.layers[1]
    assert isinstance(lookup, Lookup)
    bits = np.zeros(8, int)
    bits[failure["inputs_that_are_1"]] = 1
    index = int(bits[lookup.source[5]] @ (1 << np.arange(4)))
    assert lookup.tables[5, index] == failure["defined"] != failure["verilog"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (r"if \(enable\)(\s+y <= \{wide_n5)", r"if (1)\1", "does not hold"),
        (r"wide__output__valid <= hidden__output__valid", "wide__output__valid <= 1", "valid"),
        (r"~wide__output__valid \| wide__output__ready", "1", "does not take"),
        (
            r"wide_logic\(.clk\(clk\), .enable\((\w+)\)",
            "wide_logic(.clk(clk), .enable(~\\1)",
            "hold",
        ),
    ],
    ids=["held", "valid", "ready", "enable"],
)
def test_a_fault_of_a_stages_register_is_found(old: str, new: str, what: str) -> None:
    network = flat()
    design = generate(network)
    proofs = proofs_of(network, design, changed(design.text, old, new))
    assert "wide" in open_ones(proofs)
    assert what in proofs["wide"].open


def test_a_register_that_is_missing_is_found() -> None:
    network = flat()
    deep, shallow = generate(network, depth=1), generate(network)
    gates = read_gates(shallow.text, "top")
    proofs = {proof.name: proof for proof in prove_layers(gates, network, deep.interface)}
    assert "registers are in and behind it" in proofs["wide"].open


def spiking(reset: str = "subtract") -> Network:
    rng = np.random.default_rng(3)
    weights = rng.choice([-1, 1], (3, 4))
    options = {"leak": 2, "reset": reset, "fraction": 1}
    spikes = Spiking("spikes", weights, np.array([2, 3, 1]), **options)
    return network_of(encode(4), Steps("steps", 3), spikes, Accumulate("total"), ArgMax("argmax"))


def image() -> Network:
    rng = np.random.default_rng(4)
    conv = Conv2d(
        "conv", (2, 2), rng.choice([-1, 1], (2, 4)), np.array([0, 1]), padding=(1, 1), pad_bit=1
    )
    shape = Unflatten("image", (1, 2, 3))
    dense = Dense("dense", rng.choice([-1, 1], (2, 24)), np.array([0, 1]))
    return network_of(encode(6), shape, conv, Flatten("flat"), dense)


@pytest.mark.parametrize(
    ("network", "bus", "old", "new", "layer"),
    [
        (spiking(), None, r"(wire spikes_n1 = )(.*);", r"\1~(\2);", "spikes"),
        (spiking("zero"), None, r"(wire spikes_v2_b0 = )(.*);", r"\1~(\2);", "spikes"),
        (spiking(), None, r"(wire total_total1_b0 = )(.*);", r"\1~(\2);", "total"),
        (spiking(), None, r"(wire total_total1_b1 = )(.*);", r"\1~(\2);", "total"),
        (spiking(), None, r"(\$7 ) = steps__input__payload", r"\1 = 0", "steps"),
        (image(), None, r"(wire conv_n1 = )(.*);", r"\1~(\2);", "conv"),
        (image(), None, r"(conv__input__payload \} : )2'h3", r"\g<1>2'h0", "conv"),
        (image(), None, r"\{ 1'h0, channel0\[5:1\] \}", "{ 1'h0, channel0[4:0] }", "image"),
        (flat(), 8, r"(chain3_bit = )(.*);", r"\g<1>~(\2);", "encode"),
    ],
)
def test_a_fault_in_a_layer_that_takes_time_is_found(
    network: Network, bus: int | None, old: str, new: str, layer: str
) -> None:
    design = generate(network, bus)
    assert not open_ones(proofs_of(network, design))
    proofs = proofs_of(network, design, changed(design.text, old, new))
    assert open_ones(proofs) == {layer}


def test_a_membrane_that_is_not_cleared_is_found() -> None:
    network = spiking()
    design = generate(network)
    text = changed(design.text, r"at == 2'h2", "at == 2'h1")
    assert "spikes" in open_ones(proofs_of(network, design, text))


def test_a_membrane_of_31_bits_is_followed_and_takes_no_memory() -> None:
    weights = np.random.default_rng(1).choice([-1.0, 1.0], (2, 16))
    state = {
        "fc.weight": weights,
        "lif.beta": 15 / 16,
        "lif.threshold": 2.0,
        "lif.reset_mechanism_val": 0,
        "lif.graded_spikes_factor": 1.0,
    }
    network = from_snntorch(state, encode(16, 1), steps=7)
    layer = network.layers[2]
    assert isinstance(layer, Spiking)
    low, high = layer.membranes(7)
    assert int((high - low).max()).bit_length() == 31
    tracemalloc.start()
    assert stays_within(layer, 7, low, high)
    assert not stays_within(layer, 7, low, high - 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    proof = proofs_of(network, generate(network))["spikes"]
    assert "more than 4000000 values" in proof.open
    assert "its membranes have up to 31 bits, and about 20 is the most" in proof.open

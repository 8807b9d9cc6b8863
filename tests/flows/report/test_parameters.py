"""What the report tells of each kind of network: its name, and each layer's own parameters."""

import json

import numpy as np
import pytest
from chains import random_chain
from conftest import write_run
from networks import (
    random_dense,
    random_encode,
    random_image_network,
    random_network,
    random_spiking_network,
)

from htaflow.flows.report.parameters import kind, parameters
from htaflow.flows.report.report import report
from htaflow.hw.layers.spiking import membrane_widths
from htaflow.model.integer import golden
from htaflow.model.integer.network import (
    ArgMax,
    Concepts,
    Conv2d,
    Encode,
    Flatten,
    GroupSum,
    Lookup,
    Network,
    Spiking,
    Steps,
    Unflatten,
    Values,
)
from htaflow.model.run_directory import Run


def told(run, name):
    """Return the facts of a layer in report.json; the page shows each of its parameters."""
    report(run)
    page, facts = Run(run).page.read_text(), json.loads(Run(run).facts.read_text())
    assert f"{facts['network']['kind']} · " in page
    (layer,) = (each for each in facts["network"]["layers"] if each["name"] == name)
    for parameter, value in layer["parameters"].items():
        assert f'<span class="soft">{parameter}</span> {value}' in page
    return facts["network"]["kind"], layer["parameters"]


def test_a_convolution(tmp_path):
    geometry = {"stride": (1, 2), "padding": (1, 2), "pad_bit": 1}
    weights = np.resize([1, -1, 0, 1, 1], (4, 12))
    network = Network(
        "images",
        (
            Encode("encode", 40, 4, True, np.arange(40), np.zeros(40, int)),
            Unflatten("image", (2, 4, 5)),
            Conv2d("window", (2, 3), weights, np.arange(4), **geometry),
            Flatten("flat"),
            GroupSum("vote", 4),
            ArgMax("argmax"),
        ),
    )
    run = write_run(tmp_path / "run", network, 20, None)
    assert told(run, "window") == (
        "binary network, convolutional",
        {
            "kernel": "2 x 3",
            "stride": "1 x 2",
            "padding": "1 x 2 of bit 1",
            "windows": "5 x 4",
            "inputs": "bits as -1 and +1 (bipolar)",
            "weights": "2 bits, -1 to 1",
            "thresholds": "0 to 3",
        },
    )
    assert told(run, "encode")[1] == {
        "features": "40 of 4 bits, signed",
        "thresholds a feature": "1",
    }
    assert told(run, "vote")[1] == {"groups": "4 of 20 bits"}
    stages = json.loads(Run(run).interface.read_text())["stages"]
    (window,) = (stage for stage in stages if stage["name"] == "window")
    cells = [window["transfers"], window["latency_cycles"], window["interval_cycles"]]
    row = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    assert f"<tr><th>window</th>{row}</tr>" in Run(run).page.read_text()


def test_a_deep_heaviside_network(tmp_path, rng):
    network = random_network(
        rng, hidden=(8,), weight_bits=5, kept_bits=3, unipolar=True, ending="scores"
    )
    run = write_run(tmp_path / "run", network, 20, None)
    first, head = network.layers[1:]
    assert told(run, "encode") == (
        "deep Heaviside network",
        {"features": "6 of 4 bits, unsigned", "keeps": "the top 3 bits of each"},
    )
    low, high = first.thresholds.min(), first.thresholds.max()
    found = told(run, "hidden1")[1]
    assert (found["inputs"], found["thresholds"]) == ("integers 0 to 7", f"{low} to {high}")
    assert found["weights"] == f"5 bits, {first.weights.min()} to {first.weights.max()}"
    found = told(run, "head")[1]
    assert (found["inputs"], found["thresholds"]) == ("bits (unipolar)", "none")
    assert f", {head.weights.min()} to {head.weights.max()}" in found["weights"]


def test_a_spiking_network(tmp_path, rng):
    encode = random_encode(rng, 6, 12, 4, False)
    weights = random_dense(rng, "weights", 12, 9, fan_in=4, unipolar=True).weights
    spiking = Spiking("spiking", weights, np.arange(9) % 3 + 4, leak=3, fraction=2)
    layers = (encode, Steps("steps", 5), spiking)
    shell = random_spiking_network(rng, hidden=(9,), stateless=0, ending="class of votes")
    run = write_run(tmp_path / "run", Network("steps", (*layers, *shell.layers[-3:])), 20, None)
    network = Run(run).load_network()
    kind_of, found = told(run, "spiking")
    assert kind_of == "spiking network"
    held = membrane_widths(spiking, 5)
    low, high = min(each.low for each in held), max(each.high for each in held)
    widths = [each.width for each in held]
    each = f"{min(widths)} to {max(widths)}" if min(widths) < max(widths) else str(widths[0])
    assert found["membranes"] == f"{low} to {high}, {each} bits each, {sum(widths)} in all"
    spikes = golden.trace(network, Run(run).load_test()[0])["spiking"]
    average = spikes.sum() / (20 * 5)
    assert found["spikes"] == (f"{average:.1f} of 9 neurons a step, on average over 20 test frames")
    assert found["leak"] == "1/8 a step (beta 0.875)"
    assert found["reset"] == "by subtracting the threshold"
    assert (found["fraction"], found["thresholds"]) == ("2 bits", "4 to 6")
    assert told(run, "steps")[1] == {"steps": "5, the whole frame in each (direct)"}


def test_neurons_that_are_reset_to_zero_and_do_not_leak():
    options = {"reset": "zero", "biases": np.array([-2, 1])}
    layer = Spiking("spiking", np.array([[1, 0], [1, -1]]), np.array([1, 2]), **options)
    found = parameters(layer, Values((2,), 0, 1, 4))
    assert (found["reset"], found["leak"], found["biases"]) == ("to zero", "none", "-2 to 1")


def test_kinds_are_those_of_the_layers(rng):
    assert kind(random_network(rng)) == "binary network"
    assert kind(random_network(rng, unipolar=True)) == "deep Heaviside network"
    encode = random_encode(rng, 9, 20, 4, False)
    hidden = random_dense(rng, "hidden", 20, 4, fan_in=9)
    head = random_dense(rng, "scores", 4, 3, thresholds=False, unipolar=True, weight_bits=4)
    concepts = (encode, hidden, Concepts("concepts", tuple("abcd")), head, ArgMax("argmax"))
    assert kind(Network("network", concepts)) == "concept bottleneck"
    tables = Lookup("tables", np.zeros((3, 2), int), np.zeros((3, 4), int))
    assert parameters(tables, Values((4,), 0, 1)) == {"truth tables": "4 entries each"}
    assert kind(Network("tables", (encode, tables))) == "binary network"


@pytest.mark.parametrize("seed", range(20))
def test_every_layer_of_any_network_is_described(seed):
    rng = np.random.default_rng(seed)
    chain, _ = random_chain(rng)
    for network in (chain, random_image_network(rng), random_spiking_network(rng)):
        assert kind(network)
        fed = network.input
        for layer, values in zip(network.layers, network.values.values(), strict=True):
            for name, value in parameters(layer, fed).items():
                assert name and value
                assert type(value) is str
            fed = values

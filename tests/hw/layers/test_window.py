# amaranth: UnusedElaboratable=no
# Some hardware is made only to ask for its cycles.
"""Images in hardware: random networks simulate as golden computes, in the predicted cycles."""

import re
from collections import Counter

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from conftest import write_run
from hypothesis import given, settings
from networks import ENDINGS, image_networks, random_frames, random_image_network

from htaflow.flows.build.synth import NETLIST_VERILOG, core_synthesis
from htaflow.hw.layers import layer_logic, window
from htaflow.hw.layers.window import Windows
from htaflow.hw.logic.evaluate import evaluate
from htaflow.hw.logic.target import TARGETS
from htaflow.hw.network import NetworkCore
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.layout import layouts
from htaflow.hw.stream.schedule import REGISTER
from htaflow.hw.stream.stage import Stage
from htaflow.hw.top import Top
from htaflow.hw.verilog import describe, to_verilog
from htaflow.model.integer import golden
from htaflow.model.integer.network import (
    Conv2d,
    Dense,
    Encode,
    Flatten,
    MaxPool2d,
    Network,
    Unflatten,
    Values,
    Windowed,
)
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.model.support.files import write_atomic
from htaflow.sim.runner import Bench, run_bench
from htaflow.sim.verify import verify_rtl


@settings(max_examples=40, deadline=None)
@given(image_networks())
def test_the_logic_of_every_window_is_golden(network):
    frames = random_frames(network, np.random.default_rng(1), 30)
    expected = golden.trace(network, frames)
    before = network.encode
    for layer in network.layers[1:]:
        if isinstance(layer, Windowed):
            image = network.values[before.name]
            padded = np.pad(expected[before.name].reshape(30, -1), ((0, 0), (0, 1)))
            padded[:, -1] = layer.pad_bit
            windows = padded[:, layer.taps(image)].astype(bool)  # [frames, windows, bits]
            wanted = expected[layer.name].reshape(30, -1, windows.shape[1]).swapaxes(1, 2)
            for target in TARGETS.values():
                logic = layer_logic(layer, layer.window(image), target)
                found = evaluate(logic, windows.reshape(-1, windows.shape[2]))
                assert np.array_equal(found, wanted.reshape(len(found), -1)), layer.name
        before = layer


def random_images(seed: int) -> tuple[Network, int | None]:
    """A network of any geometry and ending, and a bus width for it."""
    rng = np.random.default_rng(seed)
    network = random_image_network(
        rng,
        shape=(int(rng.integers(1, 4)), int(rng.integers(1, 10)), int(rng.integers(1, 10))),
        windows=int(rng.integers(1, 5)),
        hidden=tuple(rng.integers(1, 12, rng.integers(0, 3)).tolist()),
        before=bool(rng.integers(2)),
        ending=ENDINGS[seed % len(ENDINGS)],
    )
    return network, [None, 8, 24][rng.integers(3)]


@pytest.mark.parametrize("seed", range(6))
def test_random_networks_simulate_as_predicted(tmp_path, seed):
    network, bus_bits = random_images(seed)
    result = verify_rtl(write_run(tmp_path / "run", network, 12, bus_bits))
    assert (result["mismatches"], result["problems"]) == (0, [])
    assert result["latency_cycles"]["measured"] == result["latency_cycles"]["predicted"]
    assert result["interval_cycles"]["measured"] == result["interval_cycles"]["predicted"]
    assert result["stalled"]["frames"] >= 20


class Throttle(LayerComponent):
    """One register that holds each transfer for a random while: it starves and blocks."""

    def __init__(self, name, bits, seed):
        self.seed = seed
        self.pipelines = (REGISTER,)
        super().__init__(name, bits, bits)

    def elaborate(self, platform):
        m = Module()
        random = Signal(16, init=self.seed)  # a linear-feedback shift register
        m.d.sync += random.eq((random >> 1) ^ random[0].replicate(16) & 0xB400)
        full, wait = Signal(), Signal(2)
        m.d.comb += [
            self.output.valid.eq(full & (wait == 0)),
            self.input.ready.eq(~full),
        ]
        with m.If(full & (wait != 0)):
            m.d.sync += wait.eq(wait - 1)
        with m.If(self.output.valid & self.output.ready):
            m.d.sync += full.eq(0)
        with m.If(self.input.valid & ~full):
            m.d.sync += [
                full.eq(1),
                self.output.payload.eq(self.input.payload),
                wait.eq(random[:2] & random[5:7]),
            ]
        return m


def throttled(network: Network) -> Top:
    """The hardware of ``network`` with a throttle on both sides of each of its components."""
    top = Top(NetworkCore(network))
    parts = top.core.parts[:1]
    for part in top.core.parts[1:]:
        for side in (parts[-1], part):
            if isinstance(side, LayerComponent) and not isinstance(parts[-1], Throttle):
                bits = (
                    len(part.logic.inputs) if isinstance(part, Stage) else len(part.input.payload)
                )
                number = len(parts)
                parts.append(Throttle(f"throttle{number}", bits, 0xACE1 + 977 * number))
        parts.append(part)
    top.core.parts = parts
    return top


@pytest.mark.parametrize("seed", range(4))
def test_streams_between_components_may_stall_at_any_transfer(tmp_path, seed):
    rng = np.random.default_rng(seed)
    network = random_image_network(rng, shape=(2, 7, 6), windows=3, ending="class of votes")
    top = throttled(network)
    assert sum(isinstance(part, Throttle) for part in top.core.parts) >= 3
    (tmp_path / "top.v").write_text(to_verilog(top, "top", top.core.modules))
    frames = random_frames(network, rng, 20)
    inputs, outputs = layouts(network)
    bench = Bench(
        describe(top.core) | {"latency_cycles": 1000},  # only how long it may stay silent
        (tmp_path / "top.v",),
        inputs.pack(frames),
        outputs.pack(golden.run(network, frames)),
        tests=("stalled",),
        stalled_frames=20,
    )
    bench.write(tmp_path / "verify")
    phase = run_bench(tmp_path / "verify", time_limit=300)["stalled"]
    assert phase["received"] == phase["frames"] == 20
    assert (phase["mismatches"], phase["violations"]) == (0, [])


def chain(*layers, shape=(1, 28, 28)):
    bits = int(np.prod(shape))
    encode = Encode("encode", bits, 1, False, np.arange(bits), np.ones(bits, int))
    return Network("images", (encode, Unflatten("image", shape), *layers, Flatten("flat")))


def conv(name, inputs, outputs, kernel=3, **geometry):
    weights = np.ones((outputs, inputs * kernel * kernel), int)
    return Conv2d(name, (kernel, kernel), weights, np.zeros(outputs, int), **geometry)


def three_convolutions(padding):
    pool = {"kernel": (2, 2), "stride": (2, 2)}
    return NetworkCore(
        chain(
            conv("conv1", 1, 4),
            MaxPool2d("pool1", **pool),
            conv("conv2", 4, 4, padding=padding),
            MaxPool2d("pool2", **pool),
            conv("conv3", 4, 8),
        )
    )


def test_several_convolutions_take_a_pixel_a_cycle():
    core = three_convolutions((0, 0))
    assert core.interval == 28 * 28
    transfers = [layer.transfers for layer in core.layers]
    assert transfers == [1, 28 * 28, 26 * 26, 13 * 13, 11 * 11, 5 * 5, 3 * 3, 1]
    # The pixel in row 25 and column 25 is the last that the pools make anything of. The encoder,
    # the pixels up to it, two cycles a window and one a stage, the frame.
    assert core.latency == 1 + (25 * 28 + 25 + 1) + 5 * 3 + 1
    assert core.held == 3


def test_padding_costs_no_more_than_its_scan():
    assert three_convolutions((1, 1)).interval == 28 * 28 + 15  # the row above conv2's image
    core = NetworkCore(chain(conv("conv1", 1, 4, padding=(1, 1))))
    assert core.interval == 30 * 30
    # The encoder, the first pixel, the scan up to the last window; window, neuron, frame.
    assert core.latency == 1 + 1 + 900 + 1 + 1 + 1


@pytest.mark.parametrize("columns", [1, window.SHORT_LINE - 1, window.SHORT_LINE, 9])
def test_lines_of_any_length(tmp_path, columns):
    network = chain(
        conv("conv1", 2, 3, 2, padding=(1, 0)) if columns == 1 else conv("conv1", 2, 3, 2),
        shape=(2, 5, max(2, columns)),
    )
    if columns == 1:
        tall = Conv2d("conv1", (3, 1), np.ones((2, 6), int), np.zeros(2, int), padding=(1, 0))
        network = chain(tall, shape=(2, 5, 1))
    run = write_run(tmp_path / "run", network, 20, None)
    assert verify_rtl(run)["problems"] == []
    text = (run / "rtl" / "top.v").read_text()
    assert bool(re.search(r"reg \[\d+:0\] \S+ \[\d+:0\];", text)) == (columns >= window.SHORT_LINE)


def test_what_amaranth_cannot_connect_is_refused_by_name():
    many = chain(conv("conv1", 1, 7300), conv("conv2", 7300, 1), shape=(1, 8, 8))
    with pytest.raises(BadInputError, match="a window of layer 'conv2' is 65700 bits wide"):
        NetworkCore(many)
    with pytest.raises(BadInputError, match="the image of layer 'flat' is 67600 bits wide"):
        large = chain(conv("conv1", 1, 100))
        head = Dense("head", np.ones((1, 67600), int), np.zeros(1, int))
        NetworkCore(Network("images", (*large.layers, head)))


def test_a_wrong_neuron_of_a_convolution_is_named(tmp_path, rng):
    weights = rng.choice((-1, 1), (4, 9))
    first = Conv2d("conv1", (3, 3), weights, np.ones(4, int), padding=(1, 1))
    bits = 4 * 6 * 5
    head = Dense("head", rng.choice((-1, 1), (6, bits)), np.zeros(6, int))
    network = chain(first, shape=(1, 6, 5))
    network = Network("images", (*network.layers, head))
    run = write_run(tmp_path / "run", network, 12, None)
    text = (run / "rtl" / "top.v").read_text()
    text, count = re.subn(r"wire conv1_n2 = ([^;]*);", r"wire conv1_n2 = ~(\1);", text)
    assert count == 1
    write_atomic(run / "rtl" / "top.v", text)
    with pytest.raises(MismatchError, match="layer 'conv1', neuron 60, cycle"):
        verify_rtl(run)  # bit (2 * 6 + 0) * 5 + 0: channel 2 of the first pixel


@pytest.mark.parametrize(
    ("family", "columns", "memories"),
    [
        ("ice40", 10, {"SB_RAM40_4K": 2}),
        ("ecp5", 28, {"TRELLIS_DPR16X4": 16}),
        ("ecp5", 64, {"DP16KD": 1}),
    ],
)
def test_long_lines_become_block_ram(family, columns, memories, tmp_path):
    """Of 16 channels and 3 rows; on an ECP5, short ones are cheap in distributed RAM."""
    layer = MaxPool2d("pool", (3, 3))
    top = to_verilog(Windows("windows", layer, Values((16, 8, columns), 0, 1)), "top", {})
    write_atomic(tmp_path / "top.v", top)
    core_synthesis(family, "top.v").run(tmp_path, 300)
    cells = re.findall(r"^  (\w+) #?\(", (tmp_path / NETLIST_VERILOG).read_text(), re.MULTILINE)
    found = Counter(cell for cell in cells if re.search(r"RAM|DPR|DP16KD|PDPW", cell))
    assert found == memories

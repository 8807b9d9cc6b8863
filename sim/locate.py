"""From a wrong word to its cause: the layer, the neuron and the cycle, with a waveform around it.

The frame is simulated again, with a few frames before it, each stage's register noted and a
waveform kept; :func:`htaflow.model.integer.golden.trace` says what each of them must hold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from htaflow.hw.stream.layout import OutputLayout
from htaflow.model.integer import golden
from htaflow.model.integer.network import ArgMax, IntArray, Network
from htaflow.model.support.results import Mismatch, Object
from htaflow.sim.runner import Bench, run_bench

Mask = npt.NDArray[np.bool_]

_BEFORE, _AFTER = 3, 2
"""Frames simulated before and after the wrong one: enough to see it come and go."""

WAVEFORMS = {"icarus": "mismatch.fst", "verilator": "mismatch.vcd"}
"""What is kept of a mismatch, by simulator."""


@dataclass(frozen=True)
class WordField:
    """A run of equal numbers in a word; which of the layer's values each is, says ``order``."""

    name: str
    offset: int
    width: int
    signed: bool
    numbers: list[int]
    order: IntArray


@dataclass(frozen=True)
class Replay:
    """What another simulation of a failing test showed."""

    phase: Object
    first_frame: int
    waveform: Path


def locate(
    network: Network, frames: IntArray, bench: Bench, folder: Path, test: str, phase: Object
) -> Mismatch:
    """Return where the first wrong word of ``test`` comes from.

    Args:
        network: what the hardware must compute.
        frames: the frames simulated, ``[N, features]``.
        bench: how they were simulated.
        folder: where; the second simulation gets a folder in it, the waveform is put into it.
        test: the test that failed.
        phase: what it found.

    Returns:
        ``test``, ``frame``, ``layer`` and ``neuron`` (None if no layer is to blame), ``step`` (None
        if the layer does not work in steps), ``cycle``,
        ``expected``, ``got``, ``waveform`` (None if the fault did not show again), ``time_ns`` in
        it; all None but the test if it is not a word that is wrong.
    """
    first = phase["first"] or {}
    where: Mismatch = {
        "test": test,
        "frame": first.get("frame"),
        "layer": None,
        "neuron": None,
        "step": None,
        "cycle": first.get("cycle"),
        "expected": first.get("expected"),
        "got": first.get("got"),
        "waveform": None,
        "time_ns": None,
    }
    replay = _replay(bench, folder, test, first)
    if replay is None:
        return where
    where["waveform"] = replay.waveform.name
    if not first:
        return where
    frame = frames[first["frame"]]
    cause = _first_wrong_stage(network, frame, replay.phase["stages"])
    if cause is None and replay.phase["first"] is not None:
        cause = _wrong_output(network, frame, replay.phase["first"])
    if cause is None:
        return where
    if test == "full_rate" and "cycle" in cause:
        cause["cycle"] += replay.first_frame * bench.interval
    return cast(Mismatch, {**where, **cause})


def _replay(bench: Bench, folder: Path, test: str, first: Object) -> Replay | None:
    """Simulate with a waveform what went wrong; None if nothing does this time."""
    for start, part in _shorter(bench, test, first):
        name = WAVEFORMS[bench.simulator]
        again = replace(part, tests=(test,), waves=name)
        again.write(folder / "replay")
        phase = run_bench(folder / "replay")[test]
        if is_wrong(phase):
            waveform = folder / name
            (folder / "replay" / name).replace(waveform)
            return Replay(phase, start, waveform)
    return None


def _shorter(bench: Bench, test: str, first: Object) -> Iterator[tuple[int, Bench]]:
    """Yield (first frame, bench) of the runs that may show the fault again, shortest first."""
    if test == "full_rate":
        wrong = first.get("position", 0)
        stop = wrong + _AFTER + 1
        for start in dict.fromkeys((max(0, wrong - _BEFORE), 0)):
            beats, expected = bench.beats[start:stop], bench.expected[start:stop]
            probe = wrong - start if first else None
            yield start, replace(bench, beats=beats, expected=expected, probe=probe)
    elif test == "stalled" and first:
        position = first["position"]
        yield 0, replace(bench, stalled_frames=position + 1, probe=position)
    yield 0, bench


def is_wrong(phase: Mapping[str, Any]) -> bool:
    """Whether a test found anything wrong."""
    spreads = (phase["latency"], phase["interval"])
    cycles = any(spread is not None and spread["wrong"] for spread in spreads)
    return bool(phase["mismatches"] or phase["rule_violations"] or cycles)


def _first_wrong_stage(
    network: Network, frame: IntArray, stages: Mapping[str, Object | None]
) -> Object | None:
    """Return the first layer whose register held something wrong for ``frame``, and the neuron."""
    values = golden.trace(network, frame[None])
    for index, layer in enumerate(network.layers):
        if layer.name not in stages:
            continue
        sighting = stages[layer.name]
        if sighting is None:
            return {"layer": layer.name, "got": "nothing"}
        parts = [_part(network, layer.name, values, 0)]
        if isinstance(layer, ArgMax):  # its scores pass beside the class
            previous = network.layers[index - 1].name
            parts.append(_part(network, previous, values, parts[0].width))
        cares: list[Mask] = [np.ones(len(part.numbers), np.bool_) for part in parts]
        if index == 0:  # bits that nothing reads may be absent
            read = network.used_bits // network.values[layer.name].width
            cares[0] = np.isin(np.arange(len(cares[0])), read)
        for part, care in zip(parts, cares, strict=True):
            if found := _first_wrong(part, sighting["word"], care):
                if network.values[layer.name].steps is not None:
                    count = network.values[layer.name].count
                    found["step"], found["neuron"] = divmod(found["neuron"], count)
                when = {"cycle": sighting["cycle"], "time_ns": sighting["time_ns"]}
                return {"layer": layer.name} | when | found
    return None


def _part(network: Network, name: str, values: Mapping[str, IntArray], offset: int) -> WordField:
    kind = network.values[name]
    flat = values[name].ravel()
    order = np.arange(len(flat))
    if len(kind.shape) == 3:  # an image leaves pixel by pixel, all channels of one at once
        order = np.moveaxis(order.reshape(-1, *kind.shape), 1, -1).ravel()
    numbers = [int(number) for number in flat[order]]
    return WordField(name, offset, kind.width, kind.signed, numbers, order)


def _wrong_output(
    network: Network, frame: IntArray, difference: Mapping[str, Any]
) -> Object | None:
    """Return which number of the output word is wrong when every layer was right."""
    if difference["got"] == "nothing":
        return None
    results = golden.run(network, frame[None])
    for field in OutputLayout(network.outputs).fields:
        numbers = [int(number) for number in results[field.name].ravel()]
        order = np.arange(len(numbers))
        part = WordField(
            field.name, field.offset, field.element_bits, field.values.signed, numbers, order
        )
        care = np.ones(len(numbers), np.bool_)
        if found := _first_wrong(part, difference["got"], care):
            return {"layer": f"output {field.name}", "cycle": difference["cycle"]} | found
    return None


def _first_wrong(part: WordField, word: str, care: Mask) -> Object | None:
    """Return the first number of ``part`` that ``word`` has otherwise, among those we care for."""
    bits = _bits(word)[::-1]  # bit 0 first
    for index in np.flatnonzero(care):
        start = part.offset + int(index) * part.width
        got = bits[start : start + part.width].ljust(part.width, "0")[::-1]
        number = part.numbers[index]
        if got != f"{number & ((1 << part.width) - 1):0{part.width}b}":
            shown: int | str = got
            if set(got) <= {"0", "1"}:
                shown = int(got, 2)
                if part.signed:
                    shown -= (shown >> (part.width - 1)) << part.width
            return {"neuron": int(part.order[index]), "expected": number, "got": shown}
    return None


def _bits(word: str) -> str:
    """Return a word of the bench, ``0x...`` or ``0b...`` with X, as bits, highest first."""
    if word.startswith("0x"):
        return "".join(f"{int(digit, 16):04b}" for digit in word[2:])
    return word[2:]

# amaranth: UnusedElaboratable=no
# A core may be made only to be looked at, or to have a part exchanged.
"""Faults of a core's parts: votes, the tie rule, counts of steps, and the streams between parts.

Those that a network file cannot express. A part is put in another's place, or a line of a chain's
Verilog is exchanged for another; a line that is not there, or there twice, is an error.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from htaflow.hw.layers.encode import BeatEncoder, FrameEncoder
from htaflow.hw.layers.placement import Part
from htaflow.hw.layers.spiking import Membranes
from htaflow.hw.layers.steps import StepAccumulator, StepPresenter
from htaflow.hw.layers.vote import greater_or_equal
from htaflow.hw.layers.window import Windows
from htaflow.hw.logic.netlist import Logic, Net
from htaflow.hw.logic.truth_table import MUX
from htaflow.hw.network import NetworkCore
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.stage import Stage
from htaflow.model.integer.network import Accumulate, ArgMax, Concepts, GroupSum, Spiking
from htaflow.sim.faults import stream_faults as tampered
from htaflow.sim.faults.circuit import inline
from htaflow.sim.faults.fault import Fault, FaultError, pick

_MOVED, _SWAPPED, _TIE = "wire moved", "wires swapped", "tie rule"
_STEPS, _WAITS, _CARRIES = "step count", "valid waits", "concepts not held"
_STEPPED = (StepPresenter, Membranes, StepAccumulator)

# What is in the text of a chain, and what the fault puts there.
_REGISTER = "else if ({up}__ready) {own}__valid <= {up}__valid;"
_RESET = "if (rst) {own}__valid <= 0;"
_ENABLE = ".enable({up}__ready), .x({up}__payload)"
_CARRIED = "if ({up}__ready) {own}__carried <="
STAGE_FAULTS: dict[str, tuple[str, str]] = {
    "stall ignored": ("{up}__ready = ~{own}__valid | {own}__ready;", "{up}__ready = 1'b1;"),
    "valid withdrawn": (_REGISTER, "else {own}__valid <= {up}__valid & {up}__ready;"),
    "beat dropped": (
        _REGISTER,
        "else if ({up}__ready) {own}__valid <= {up}__valid & ~{own}__valid;",
    ),
    "beat doubled": (
        _REGISTER,
        "else if ({up}__ready) {own}__valid <= {up}__valid | {own}__valid;",
    ),
    "data not held": (_ENABLE, ".enable(1'b1), .x({up}__payload)"),
    "data not taken": (_ENABLE, ".enable({own}__ready), .x({up}__payload)"),
    "reset ignored": (_RESET, "if (1'b0) {own}__valid <= 0;"),
    "valid after reset": (_RESET, "if (rst) {own}__valid <= 1;"),
    _CARRIES: (_CARRIED, "if (1'b1) {own}__carried <="),
}
_OUTPUT = (
    "assign output__valid = {own}__valid;",
    "assign output__valid = {own}__valid & output__ready;",
)

SEQUENTIAL = frozenset({*STAGE_FAULTS, *tampered.ANYWHERE, *tampered.ENCODER, _STEPS, _WAITS})
"""Kinds of faults in time and order, which no function of one frame shows."""


def label(part: Part) -> str:
    """Return what a part is called here: windows and the stage behind them have one name."""
    return f"{part.name} windows" if isinstance(part, Windows) else part.name


def kinds(core: NetworkCore) -> list[tuple[str, str]]:
    """Return every (kind, part) of fault that ``core`` may have, of which some have no place."""
    layers = {layer.name: layer for layer in core.network.layers}
    found: list[tuple[str, str]] = []
    for part in core.parts:
        own: list[str] = []
        if isinstance(part, Stage):
            layer = layers.get(part.name)
            own += [_MOVED] if isinstance(layer, GroupSum | ArgMax | Concepts) else []
            own += [_TIE] if isinstance(layer, ArgMax) else []
            if part.registered:
                own += [kind for kind in STAGE_FAULTS if kind != _CARRIES or part.carried]
        else:
            own += [_SWAPPED] if len(part.output.payload) > 1 else []
            own += [_STEPS] if isinstance(part, _STEPPED) else []
            own += tampered.ANYWHERE
            own += tampered.ENCODER if isinstance(part, FrameEncoder | BeatEncoder) else []
        found += [(kind, label(part)) for kind in own]
    found.append((_WAITS, label(core.parts[-1])))
    return found


def draw(rng: np.random.Generator, core: NetworkCore, kind: str, name: str) -> Fault | None:
    """Draw a place for a fault; None if there is none this time."""
    part = core.parts[_index(core, name)]
    if isinstance(part, Stage):
        if kind == _MOVED:
            return _pair(rng, kind, name, len(part.logic.inputs))
        if kind in STAGE_FAULTS:
            return Fault(kind, name, {"register": pick(rng, len(part.parts) or 1)})
    elif kind == _SWAPPED:
        return _pair(rng, kind, name, len(part.output.payload))
    elif kind == _STEPS:
        fault = Fault(kind, name, {"by": (-1, 1)[pick(rng, 2)]})
        return None if _other_steps(core, part, fault) is None else fault
    return Fault(kind, name)


def apply(core: NetworkCore, fault: Fault) -> Mapping[str, str]:
    """Put the fault into ``core``; return the Verilog of its modules, by name, with the fault.

    Raises ``FaultError`` if what it changes is not there.
    """
    at = _index(core, fault.layer)
    part = core.parts[at]
    if isinstance(part, Stage):
        if fault.kind not in (_MOVED, _TIE):
            return _exchange(core, part, fault)
        rewired = _rewired if fault.kind == _MOVED else _highest_wins
        core.parts[at] = _restaged(part, rewired(core, part, fault))
    elif fault.kind == _SWAPPED:
        core.parts[at] = tampered.Swapped(part, int(fault.site["bit"]), int(fault.site["to"]))
    elif fault.kind == _STEPS:
        other = _other_steps(core, part, fault)
        if other is None:
            raise FaultError(f"'{fault}': its ports would be others")
        core.parts[at] = other
    elif fault.kind == _WAITS:
        core.parts[at] = tampered.ValidWaits(part)
    else:
        core.parts[at] = (tampered.ANYWHERE | tampered.ENCODER)[fault.kind](part)
    return core.modules


def _index(core: NetworkCore, name: str) -> int:
    for at, part in enumerate(core.parts):
        if label(part) == name:
            return at
    raise FaultError(f"the core has no part '{name}'")


def _pair(rng: np.random.Generator, kind: str, name: str, count: int) -> Fault | None:
    """Draw two different ones of ``count`` bits."""
    one, other = pick(rng, count), pick(rng, count)
    return None if one == other else Fault(kind, name, {"bit": one, "to": other})


def _other_steps(core: NetworkCore, part: LayerComponent, fault: Fault) -> LayerComponent | None:
    """Return ``part`` with a step more or less; None if its ports would not be the same."""
    by = int(fault.site["by"])
    layers = {layer.name: layer for layer in core.network.layers}
    fed = dict(zip(layers, [core.network.input, *core.network.values.values()], strict=False))
    layer, values = layers[part.name], fed[part.name]
    other: LayerComponent
    if isinstance(part, StepPresenter):
        steps = part.layer.steps + by
        if steps < 1 or part.layer.coding != "direct":
            return None
        other = StepPresenter(replace(part.layer, steps=steps), values, part.known)
    else:
        assert values.steps is not None
        if values.steps + by < 1:
            return None
        longer = replace(values, steps=values.steps + by)
        if isinstance(layer, Spiking):
            if len(part.input.payload) != values.count:
                return None  # fed with sums
            other = Membranes(layer, longer, core.target)
        else:
            assert isinstance(layer, Accumulate)
            other = StepAccumulator(layer, longer, core.target)
    shapes = [(len(one.input.payload), len(one.output.payload)) for one in (part, other)]
    return other if shapes[0] == shapes[1] else None


def _restaged(stage: Stage, logic: Logic) -> Stage:
    """Return ``stage`` with other logic, and as many registers as it had."""
    if not stage.parts:
        return replace(stage, logic=logic)
    parts = [logic]
    for number in range(1, len(stage.parts)):
        kept = Logic(f"{stage.name}_kept{number}", len(logic.outputs), logic.target)
        kept.outputs = list(kept.inputs)
        parts.append(kept)
    return replace(stage, logic=logic, parts=parts)


def _rewired(core: NetworkCore, stage: Stage, fault: Fault) -> Logic:
    """Return the stage's logic, which reads a bit in place of another."""
    right = stage.logic
    wrong = Logic(right.name, len(right.inputs), right.target)
    nets = list(wrong.inputs)
    nets[int(fault.site["bit"])] = wrong.inputs[int(fault.site["to"])]
    wrong.outputs = inline(right, wrong, nets)
    return wrong


def _highest_wins(core: NetworkCore, stage: Stage, fault: Fault) -> Logic:
    """Return the logic of an ``ArgMax`` where of equal scores the highest index wins."""
    layers = [layer.name for layer in core.network.layers]
    values = core.network.values[layers[layers.index(stage.name) - 1]]
    width = values.width
    right = stage.logic
    wrong = Logic(right.name, len(right.inputs), right.target)
    index_width = len(right.outputs) - len(right.inputs)
    best: list[Net] = []
    index: list[Net] = [0] * index_width
    for number in range(values.count):
        score = list(wrong.inputs[number * width : (number + 1) * width])
        key = [*score[:-1], wrong.invert(score[-1])] if values.signed else score
        own = [number >> bit & 1 for bit in range(index_width)]
        if best:
            wins = greater_or_equal(wrong, key, best)
            key, own = (
                [wrong.table(MUX, [b, a, wins]) for a, b in zip(one, other, strict=True)]
                for one, other in ((key, best), (own, index))
            )
        best, index = key, own
    wrong.outputs = index + list(wrong.inputs)
    return wrong


def _exchange(core: NetworkCore, stage: Stage, fault: Fault) -> Mapping[str, str]:
    """Return the modules with one line of the stage's chain exchanged."""
    streams = [f"{stage.name}__part{number}" for number in range(len(stage.parts) - 1)]
    streams.append(f"{stage.name}__output")
    own = streams[int(fault.site.get("register", 0))]
    old, new = _OUTPUT if fault.kind == _WAITS else STAGE_FAULTS[fault.kind]
    modules = core.modules
    text = modules[stage.chain]
    if fault.kind == _WAITS:
        own = streams[-1]
    # A register asks the one before it to wait: there the name of the stream before stands.
    found = re.search(rf"assign (\w+)__ready = ~{own}__valid \| {own}__ready;", text)
    up = found[1] if found else ""
    old, new = old.format(own=own, up=up), new.format(own=own, up=up)
    if text.count(old) != 1:
        raise FaultError(
            f"'{fault}': its place, {old!r}, is {text.count(old)} times in module {stage.chain}"
        )
    return {**modules, stage.chain: text.replace(old, new)}

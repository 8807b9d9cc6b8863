# amaranth: UnusedElaboratable=no
# A core may be made only to be looked at, or to have a part exchanged.
"""Faults of a core's parts: votes, the tie rule, counts of steps, and the streams between parts.

Those that a network file cannot express. A part is put in another's place, or a line of a chain's
Verilog is exchanged for another; a line that is not there, or there twice, is an error.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import singledispatch

import numpy as np

from htaflow.hw.layers.encode import BeatEncoder, FrameEncoder
from htaflow.hw.layers.placement import Part
from htaflow.hw.layers.spiking import Membranes
from htaflow.hw.layers.steps import StepAccumulator, StepPresenter
from htaflow.hw.layers.window import Windows
from htaflow.hw.logic.netlist import Logic, Net
from htaflow.hw.logic.popcount import greater_or_equal
from htaflow.hw.logic.truth_table import MUX
from htaflow.hw.network import NetworkCore
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.stage import Stage
from htaflow.model.integer.network import (
    Accumulate,
    ArgMax,
    Concepts,
    Convolution,
    Dense,
    GroupSum,
    Layer,
    Lookup,
    MaxPool2d,
    Scale,
    Spiking,
    Steps,
    SumPool2d,
    Threshold,
    Values,
)
from htaflow.sim.faults import stream_faults as tampered
from htaflow.sim.faults.fault import Fault, FaultError, pick
from htaflow.sim.faults.inline import inline

_MOVED, _SWAPPED, _TIE = "wire moved", "wires swapped", "tie rule"
_STEPS, _WAITS, _CARRIES = "step count", "valid waits", "concepts not held"

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
        if isinstance(part, Stage):
            # Sums of an SNN are a stage of their own, which has no layer's name.
            own = logic_kinds(layers[part.name]) if part.name in layers else ()
            own = (*own, *_register_kinds(part))
        else:
            swapped = (_SWAPPED,) if len(part.output.payload) > 1 else ()
            own = (*swapped, *component_kinds(part))
        found += [(kind, label(part)) for kind in own]
    found.append((_WAITS, label(core.parts[-1])))
    return found


@singledispatch
def logic_kinds(layer: Layer) -> tuple[str, ...]:
    """Return the kinds of fault that the logic of ``layer`` may have and no network file expresses.

    Raises ``NotImplementedError`` for a type that nothing is registered for.
    """
    raise NotImplementedError(f"no faults are known of the logic of a {layer.type}")


def _none(layer: Layer) -> tuple[str, ...]:
    """Return none: :mod:`htaflow.sim.faults.layers` has those of such a layer."""
    return ()


for _type in (Dense, Lookup, Convolution, Threshold, Scale, Spiking):
    logic_kinds.register(_type)(_none)


@logic_kinds.register(GroupSum)
@logic_kinds.register(Concepts)
@logic_kinds.register(MaxPool2d)
@logic_kinds.register(SumPool2d)
def _(layer: GroupSum | Concepts | MaxPool2d | SumPool2d) -> tuple[str, ...]:
    return (_MOVED,)


@logic_kinds.register
def _(layer: ArgMax) -> tuple[str, ...]:
    return _MOVED, _TIE


def _register_kinds(stage: Stage) -> Iterable[str]:
    """Return the kinds of fault of the registers that a stage ends in."""
    if not stage.registered:
        return ()
    return (kind for kind in STAGE_FAULTS if kind != _CARRIES or stage.carried)


@singledispatch
def component_kinds(part: LayerComponent) -> tuple[str, ...]:
    """Return the kinds of fault that a part with streams of its own may have: first its own."""
    return tuple(tampered.ANYWHERE)


@component_kinds.register(StepPresenter)
@component_kinds.register(Membranes)
@component_kinds.register(StepAccumulator)
def _(part: LayerComponent) -> tuple[str, ...]:
    return _STEPS, *tampered.ANYWHERE


@component_kinds.register(FrameEncoder)
@component_kinds.register(BeatEncoder)
def _(part: LayerComponent) -> tuple[str, ...]:
    return *tampered.ANYWHERE, *tampered.ENCODER


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
    layers = {layer.name: layer for layer in core.network.layers}
    fed = dict(zip(layers, [core.network.input, *core.network.values.values()], strict=False))
    other = with_more_steps(layers[part.name], part, fed[part.name], int(fault.site["by"]))
    if other is None:
        return None
    shapes = [(len(one.input.payload), len(one.output.payload)) for one in (part, other)]
    return other if shapes[0] == shapes[1] else None


@singledispatch
def with_more_steps(
    layer: Layer, part: LayerComponent, fed: Values, by: int
) -> LayerComponent | None:
    """Return the part of ``layer``, fed ``fed``, with ``by`` more steps; None if there is none.

    Raises ``NotImplementedError`` for a type that knows of no steps.
    """
    raise NotImplementedError(f"a {layer.type} has no steps")


@with_more_steps.register
def _(layer: Steps, part: LayerComponent, fed: Values, by: int) -> LayerComponent | None:
    if layer.steps + by < 1 or layer.coding != "direct":
        return None
    return StepPresenter(replace(layer, steps=layer.steps + by), fed, part.known)


@with_more_steps.register
def _(layer: Spiking, part: Membranes, fed: Values, by: int) -> LayerComponent | None:
    longer = _longer(fed, by)
    if longer is None or len(part.input.payload) != fed.count:
        return None  # no step is left, or it is fed with sums
    return Membranes(layer, longer, part.logic.target)


@with_more_steps.register
def _(layer: Accumulate, part: StepAccumulator, fed: Values, by: int) -> LayerComponent | None:
    longer = _longer(fed, by)
    return None if longer is None else StepAccumulator(layer, longer, part.logic.target)


def _longer(values: Values, by: int) -> Values | None:
    """Return ``values`` in ``by`` more steps, or None if no step would be left."""
    assert values.steps is not None
    steps = values.steps + by
    return replace(values, steps=steps) if steps >= 1 else None


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

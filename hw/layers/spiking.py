# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""Spiking neurons: membranes in registers, one step a cycle."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from amaranth.hdl import Cat, Instance, Module, ResetSignal, Signal

from htaflow.hw.layers.placement import Part, Placement, layer_logic, layer_parts
from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.netlist import FALSE, Logic, Net
from htaflow.hw.logic.retime import cut
from htaflow.hw.logic.retime import depth as logic_depth
from htaflow.hw.logic.sums.compressor import compress
from htaflow.hw.logic.sums.neuron import SHARED_FAN_IN, popcount_bits
from htaflow.hw.logic.sums.popcount import at_least
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.logic.verilog import all_modules
from htaflow.hw.stream.component import LayerComponent, position
from htaflow.hw.stream.schedule import REGISTER
from htaflow.hw.stream.stage import Stage
from htaflow.model.integer.network import Spiking, Values


class _Sum:
    """A sum modulo ``2**width`` to come: literals by their weight's exponent, and a constant."""

    def __init__(self, logic: Logic, width: int) -> None:
        self.logic = logic
        self.width = width
        self.columns: list[list[Net]] = [[] for _ in range(width)]
        self.constant = 0

    def add(self, net: Net, weight: int) -> None:
        """Add ``weight * net``."""
        if weight < 0:  # -b = (1 - b) - 1
            net, weight = self.logic.invert(net), -weight
            self.constant -= weight
        for place in range(self.width):
            if weight >> place & 1:
                self.columns[place].append(net)

    def total(self) -> list[Net]:
        """Return the sum, low bit first."""
        lut_inputs = self.logic.target.lut_inputs
        return compress(self.logic, self.columns, self.width, lut_inputs, self.constant)


def sums_name(layer: Spiking) -> str:
    """Return what the stage is called that sums what ``layer`` is fed, if there is one.

    No layer of a network can have that name.
    """
    return f"{layer.name}__SUMS"


def membrane_widths(layer: Spiking, steps: int) -> list[Values]:
    """Return what each membrane holds, as numbers with their range."""
    return [
        Values((1,), int(low), int(high)) for low, high in zip(*layer.membranes(steps), strict=True)
    ]


def spiking_logic(
    layer: Spiking,
    values: Values,
    target: Target = PORTABLE,
    known: BitFacts | None = None,
    *,
    summed: bool = False,
) -> Logic:
    """Return the logic of one step.

    Inputs are what comes in, the membranes, each as wide as its range needs, and, if reset is by
    subtraction, whether each neuron spiked in the step before. What comes in is ``values``, or, if
    ``summed``, each neuron's sum as a ``Dense`` without thresholds yields it. Outputs are the
    spikes, then the membranes after the step; those that spiked are 0 if reset to zero.
    """
    assert values.steps is not None
    neurons = len(layer.weights)
    sums = layer.sums.output(values)
    fed = neurons * sums.width if summed else values.count
    ranges = membrane_widths(layer, values.steps)
    stored = sum(membrane.width for membrane in ranges)
    subtracts = layer.reset == "subtract"
    bits = fed + stored + (neurons if subtracts else 0)
    whole = None if known is None else _extended(known, bits)
    logic = Logic(f"{layer.name}_logic", bits, target, whole)
    biases = np.zeros(neurons, np.int64) if layer.biases is None else layer.biases
    spikes: list[Net] = []
    membranes: list[Net] = []
    start = fed
    for n, membrane in enumerate(ranges):
        width = membrane.width
        state = logic.inputs[start : start + width]
        start += width
        total = _Sum(logic, width)
        total.constant = int(biases[n])
        _add_rest(total, state, layer.leak, signed=membrane.signed)
        if subtracts:
            _add_reset(total, logic.inputs[fed + stored + n], int(layer.resets[n]))
        if summed:
            number = logic.sources[n * sums.width : (n + 1) * sums.width]
            _add_number(total, number, layer.fraction, signed=sums.signed)
        else:
            _add_inputs(total, logic, layer, n)
        after = total.total()
        spike = _compare(logic, after, membrane, int(layer.thresholds[n]))
        logic.name_number(f"{layer.name}_v{n}", after)
        logic.name_bit(f"{layer.name}_n{n}", spike)
        if not subtracts:
            # Inputs (membrane, spike).
            after = [logic.table(0b0010, [bit, spike]) for bit in after]
        spikes.append(spike)
        membranes += after
    logic.outputs = spikes + membranes
    return logic


def _extended(known: BitFacts, bits: int) -> BitFacts:
    """Return ``known`` of ``bits`` bits: nothing is known of those that were not there."""
    more = range(len(known.same), bits)
    return BitFacts([*known.same, *more], [*known.flip, *(False for _ in more)])


def _add_rest(total: _Sum, state: Sequence[Net], leak: int | None, *, signed: bool) -> None:
    """Add a membrane, less what leaks out of it."""
    for place, net in enumerate(state):
        total.add(net, 1 << place)
    if leak is None:
        return
    for place in range(len(state)):
        if place + leak < len(state):
            total.add(state[place + leak], -(1 << place))
        elif signed:  # the shift repeats the sign
            total.add(state[-1], -(1 << place))


def _add_reset(total: _Sum, spiked: Net, drop: int) -> None:
    """Subtract ``drop`` if ``spiked``, in as few bits as that takes."""
    mask = (1 << total.width) - 1
    if (-drop & mask).bit_count() <= (drop & mask).bit_count():
        total.add(spiked, -drop & mask)
    else:  # -drop * s = -drop + drop * (1 - s)
        total.add(total.logic.invert(spiked), drop & mask)
        total.constant -= drop


def _add_number(total: _Sum, number: Sequence[Net], places: int, *, signed: bool) -> None:
    """Add a number, shifted up by ``places`` places."""
    for place, net in enumerate(number):
        is_sign = signed and place == len(number) - 1
        total.add(net, (-1 if is_sign else 1) << (place + places))


def _add_inputs(total: _Sum, logic: Logic, layer: Spiking, n: int) -> None:
    """Add the weighted inputs of neuron ``n``."""
    columns = np.flatnonzero(layer.weights[n])
    weights = layer.weights[n, columns].astype(np.int64)
    nets = np.asarray(logic.sources)[columns].tolist()
    scale = 1 << layer.fraction
    if layer.inputs == "bipolar":
        total.constant -= int(weights.sum()) * scale
        scale *= 2
    if len(nets) >= SHARED_FAN_IN and (np.abs(weights) == 1).all():
        # All neurons of one fan-in share a counter of inputs, those of negative weight inverted.
        flip = (weights < 0).tolist()
        total.constant -= sum(flip) * scale
        for place, net in enumerate(popcount_bits(logic, nets, flip)):
            total.add(net, scale << place)
        return
    for net, weight in zip(nets, weights.tolist(), strict=True):
        total.add(net, weight * scale)


def _compare(logic: Logic, number: Sequence[Net], membrane: Values, threshold: int) -> Net:
    """Return the net of ``number >= threshold``, where the number is within ``membrane``."""
    if threshold > membrane.high:
        return FALSE
    if not membrane.signed:
        return at_least(logic, number, threshold)
    # Thresholds are above 0, so no negative number reaches one.
    *bits, sign = number
    return logic.table(0b0010, [at_least(logic, bits, threshold), sign])


class Membranes(LayerComponent):
    """A layer of spiking neurons, each with its membrane in a register.

    Latency: 1 cycle. Initiation interval: one cycle a step. A step is taken whenever the one before
    has left, so a stall costs exactly the cycles for which the consumer stalls. With a frame's last
    step the membranes are cleared for the next frame.

    Parameters:
        layer: the neurons.
        values: the bits that come in, with the number of steps.
        target: what the logic is made for.
        known: what is known of what comes in.
        summed: whether the sums come in, not the bits: then there are registers before.

    Members:
        input: stream of steps: bits, or sums.
        output: stream of steps: spikes, neuron 0 lowest.
    """

    pipelines = (REGISTER,)

    def __init__(
        self,
        layer: Spiking,
        values: Values,
        target: Target = PORTABLE,
        known: BitFacts | None = None,
        *,
        summed: bool = False,
    ) -> None:
        assert values.steps is not None
        self.layer = layer
        self.steps = values.steps
        self.logic = spiking_logic(layer, values, target, known, summed=summed)
        neurons = len(layer.weights)
        whole = self.logic.known_outputs()
        self.known = BitFacts(whole.same[:neurons], whole.flip[:neurons])
        self._state_bits = len(self.logic.outputs) - neurons
        fed = len(self.logic.inputs) - self._state_bits
        if layer.reset == "subtract":
            fed -= neurons
        super().__init__(layer.name, fed, neurons)

    @property
    def modules(self) -> dict[str, str]:
        """Verilog of one step, by name."""
        return all_modules(self.logic)

    def elaborate(self, platform: object) -> Module:
        """Build the registers around the logic."""
        m = Module()
        neurons = len(self.layer.weights)
        take = Signal()
        _, last = position(m, take, self.steps)
        spikes, after = Signal(neurons), Signal(self._state_bits)
        membranes = Signal(self._state_bits, reset_less=True)
        spiked = Signal(neurons, reset_less=True)
        state = Cat(membranes, spiked) if self.layer.reset == "subtract" else membranes
        m.submodules.body = Instance(
            self.logic.name,
            i_x=Cat(self.input.payload, state),
            o_y=Cat(spikes, after),
        )
        m.d.comb += [
            self.input.ready.eq(~self.output.valid | self.output.ready),
            take.eq(self.input.valid & self.input.ready),
        ]
        with m.If(self.input.ready):
            m.d.sync += [self.output.valid.eq(self.input.valid), self.output.payload.eq(spikes)]
        # One reset for all, so that it costs no logic.
        with m.If(ResetSignal() | (take & last)):
            m.d.sync += [membranes.eq(0), spiked.eq(0)]
        with m.Elif(take):
            m.d.sync += [membranes.eq(after), spiked.eq(spikes)]
        return m


@layer_parts.register
def _(layer: Spiking, place: Placement) -> list[Part]:
    """Its membranes; if a step is deeper than it may be, its sums come first.

    From one membrane to the next there is no place for a register, so that part stays as it is.
    """
    incoming, target, depth = place.incoming, place.target, place.depth
    whole = Membranes(layer, incoming, target, place.known)
    if depth is None or logic_depth(whole.logic) <= depth:
        return [whole]
    before = replace(layer.sums, name=sums_name(layer))
    sums = layer_logic(before, incoming, target, place.known)
    stage = Stage(before.name, sums, True, cut(sums, depth), place.chain)
    return [stage, Membranes(layer, incoming, target, sums.known_outputs(), summed=True)]

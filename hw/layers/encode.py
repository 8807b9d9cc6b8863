# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""First layers: features in, bits or narrower integers out, in one beat a frame or in several."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import singledispatch

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, unsigned
from amaranth.lib import data

from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.sums.popcount import at_least
from htaflow.hw.logic.verilog import all_modules
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.layout import InputLayout
from htaflow.hw.stream.schedule import PASS, REGISTER, TAKE, Pipeline
from htaflow.model.integer.network import Encode, FirstLayer, Network, Quantise

MAX_THRESHOLDS = 8
"""Up to this many thresholds on one lane of the bus, each has a comparator of its own."""


def beat_layout(layout: InputLayout) -> data.StructLayout:
    """Return the payload of an input beat: ``data``, ``last`` beat of its frame, ``error``."""
    return data.StructLayout({"data": unsigned(layout.bus_bits), "last": 1, "error": 1})


def encode_logic(layer: FirstLayer, layout: InputLayout) -> Logic:
    """Return the logic for a whole frame that comes in one beat: comparisons, or bits kept."""
    logic = Logic(f"{layer.name}_logic", layout.bus_bits)
    _encode(layer, logic)
    return logic


@singledispatch
def _encode(layer: FirstLayer, logic: Logic) -> None:
    """Make what ``layer`` yields the outputs of ``logic``."""
    raise NotImplementedError(f"no hardware for a first layer of type {layer.type}")


@_encode.register
def _(layer: Quantise, logic: Logic) -> None:
    """Each feature's top bits, low bits first."""
    width = layer.feature_bits
    for at in range(0, layer.features * width, width):
        kept = list(logic.inputs[at + width - layer.bits : at + width])
        if layer.signed:
            kept[-1] = logic.invert(kept[-1])
        logic.outputs += kept


@_encode.register
def _(layer: Encode, logic: Logic) -> None:
    """The comparisons, in their order."""
    width = layer.feature_bits
    for source, threshold in zip(layer.source.tolist(), layer.threshold.tolist(), strict=True):
        feature = list(logic.inputs[source * width : (source + 1) * width])
        if layer.signed:  # compare with an offset: the sign bit inverted makes the order unsigned
            feature[-1] = logic.invert(feature[-1])
        net = at_least(logic, feature, threshold - layer.input.low)
        logic.name_bit(f"{layer.name}_f{source}_ge_{_spell(threshold)}", net)
        logic.outputs.append(net)


class FrameEncoder(LayerComponent):
    """Encode a frame that comes in one beat.

    Latency: 1 cycle. Initiation interval: 1 cycle. A beat with ``error`` is taken and dropped, and
    so are beats without ``last`` and the first one with it after them: a frame that runs too long.
    It is told in the cycle after its first beat.

    Parameters:
        layer: the network's first layer.
        layout: an input layout of one beat a frame.

    Members:
        input: stream of beats.
        output: stream of frames of bits, the layer's bit 0 lowest.
        dropped: 1 for a cycle for each frame dropped.
    """

    pipelines = (REGISTER,)

    def __init__(self, layer: FirstLayer, layout: InputLayout) -> None:
        if layout.beats != 1:
            raise ValueError(f"FrameEncoder takes one beat a frame, not {layout.beats}")
        self.layout = layout
        self.logic = encode_logic(layer, layout)
        self.known = self.logic.known_outputs()
        super().__init__(layer.name, beat_layout(layout), len(self.logic.outputs), drops=True)

    @property
    def modules(self) -> dict[str, str]:
        """Verilog of the logic and its register, by name."""
        return all_modules(self.logic, registered=True)

    def elaborate(self, platform: object) -> Module:
        """Build the encoder."""
        m = Module()
        # Bits that are known (``self.known``) have no reader, and synthesis drops them.
        m.submodules.body = Instance(
            self.logic.name,
            i_clk=ClockSignal(),
            i_enable=self.input.ready,
            i_x=self.input.payload.data,
            o_y=self.output.payload,
        )
        m.d.comb += self.input.ready.eq(~self.output.valid | self.output.ready)
        too_long = Signal()
        good = self.input.payload.last & ~self.input.payload.error
        m.d.sync += self.dropped.eq(0)
        with m.If(self.input.ready):
            m.d.sync += self.output.valid.eq(self.input.valid & good & ~too_long)
            with m.If(self.input.valid):
                m.d.sync += too_long.eq(~self.input.payload.last)
                m.d.sync += self.dropped.eq(~good & ~too_long)
        return m


@dataclass
class _Chain:
    """A shift register of bits that one lane of the bus yields, one beat after another.

    They are comparisons with thresholds, or what stands at ``place`` in the feature.
    """

    lane: int
    place: int | None = None
    thresholds: dict[int, int] = field(default_factory=dict)  # by beat; no entry: no bit
    bits: list[int] = field(default_factory=list)  # the encoder's bits, first beat first


class BeatEncoder(LayerComponent):
    """Encode a frame that comes in several beats, keeping bits and no features.

    Each beat's features are compared as they come and the bits shifted into place, so a frame
    costs one flip-flop a bit that is used and no frame memory.

    Latency: as many cycles as a frame has beats, from the first beat. Initiation interval: as many
    again. A frame that ends early, runs on too long or ends with ``error`` is dropped whole, and
    the one after it is not affected. One that runs on is told in the cycle after the beat that
    should have been its last.

    Parameters:
        layer: the network's first layer.
        layout: an input layout of two or more beats a frame.
        used: indices of the bits that something reads; the others are left 0.

    Members:
        input: stream of beats.
        output: stream of frames of bits, the layer's bit 0 lowest.
        dropped: 1 for a cycle for each frame dropped.
    """

    def __init__(self, layer: FirstLayer, layout: InputLayout, used: Iterable[int]) -> None:
        if layout.beats < 2:
            raise ValueError("BeatEncoder takes two or more beats a frame")
        self.layer = layer
        self.layout = layout
        self.pipelines = (Pipeline([TAKE] * (layout.beats - 1) + [PASS]),)
        self._used = sorted(set(used))
        values = layer.output(layer.input)
        self._bits = values.count * values.width
        super().__init__(layer.name, beat_layout(layout), self._bits, drops=True)

    def elaborate(self, platform: object) -> Module:
        """Build the encoder."""
        m = Module()
        last_beat = self.layout.beats - 1
        beat = Signal(range(self.layout.beats))
        too_long = Signal()
        full = Signal()
        take = Signal()
        payload = self.input.payload
        m.d.comb += [
            self.output.valid.eq(full),
            self.input.ready.eq(~full | self.output.ready),
            take.eq(self.input.valid & self.input.ready),
        ]
        whole = (beat == last_beat) & ~payload.error
        m.d.sync += self.dropped.eq(0)
        with m.If(self.output.ready):
            m.d.sync += full.eq(0)
        with m.If(take):
            with m.If(payload.last):
                m.d.sync += [beat.eq(0), too_long.eq(0)]
                m.d.sync += [full.eq(whole & ~too_long), self.dropped.eq(~whole & ~too_long)]
            with m.Elif(beat == last_beat):
                m.d.sync += [too_long.eq(1), self.dropped.eq(~too_long)]
            with m.Else():
                m.d.sync += beat.eq(beat + 1)

        placed: dict[int, Value] = {}
        for number, chain in enumerate(_chains(self.layer, self.layout, self._used)):
            feature = payload.data.word_select(chain.lane, self.layer.feature_bits)
            bit = Signal(name=f"chain{number}_bit")
            register = Signal(len(chain.bits), name=f"chain{number}", reset_less=True)
            with m.If(take):
                beats = {at: int(at in chain.thresholds) for at in range(last_beat + 1)}
                used = _look_ahead(m, beat, payload.last, beats, f"chain{number}_used")
                threshold = _look_ahead(
                    m, beat, payload.last, chain.thresholds, f"chain{number}_threshold"
                )
            if chain.place is None:
                compared = feature.as_signed() if self.layer.signed else feature
                m.d.comb += bit.eq(compared >= threshold)
            else:
                sign = self.layer.signed and chain.place == self.layer.feature_bits - 1
                m.d.comb += bit.eq(feature[chain.place] ^ int(sign))
            with m.If(take & used):
                m.d.sync += register.eq(Cat(bit, register))
            # The bit of the first beat is shifted farthest.
            for position, index in enumerate(reversed(chain.bits)):
                placed[index] = register[position]
        idle = Const(0, 1)
        m.d.comb += self.output.payload.eq(
            Cat(placed.get(index, idle) for index in range(self._bits))
        )
        return m


@singledispatch
def _chains(layer: FirstLayer, layout: InputLayout, used: Sequence[int]) -> list[_Chain]:
    """Sort the used bits of ``layer`` into shift registers."""
    raise NotImplementedError(f"no hardware for a first layer of type {layer.type}")


@_chains.register
def _(layer: Encode, layout: InputLayout, used: Sequence[int]) -> list[_Chain]:
    """Sort comparisons into shift registers.

    Where a lane meets few thresholds each has its own chain, so that it compares with a constant;
    otherwise the k-th bit of every feature shares a chain, and the threshold is looked up by beat.
    """
    by_lane: dict[int, list[tuple[int, int, int]]] = {}  # lane: (beat, threshold, bit)
    for index in used:
        beat, lane = divmod(int(layer.source[index]), layout.per_beat)
        by_lane.setdefault(lane, []).append((beat, int(layer.threshold[index]), index))
    chains: dict[tuple[int, int, int], _Chain] = {}
    for lane, uses in sorted(by_lane.items()):
        shared = len({threshold for _, threshold, _ in uses}) > MAX_THRESHOLDS
        seen: Counter[tuple[int, int]] = Counter()
        for beat, threshold, index in sorted(uses):
            key = 0 if shared else threshold
            slot = seen[beat, key]
            seen[beat, key] += 1
            chain = chains.setdefault((lane, key, slot), _Chain(lane))
            chain.thresholds[beat] = threshold
            chain.bits.append(index)
    return list(chains.values())


@_chains.register
def _(layer: Quantise, layout: InputLayout, used: Sequence[int]) -> list[_Chain]:
    """Sort kept bits into shift registers, one for each lane and place in a feature."""
    chains: dict[tuple[int, int], _Chain] = {}
    for index in used:
        feature, bit = divmod(index, layer.bits)
        beat, lane = divmod(feature, layout.per_beat)
        place = layer.feature_bits - layer.bits + bit
        chain = chains.setdefault((lane, place), _Chain(lane, place))
        chain.thresholds[beat] = 0
        chain.bits.append(index)
    return list(chains.values())


def encoder(network: Network, layout: InputLayout) -> FrameEncoder | BeatEncoder:
    """Return the encoder of ``network``, of which only the bits that are used need be kept."""
    if layout.beats == 1:
        return FrameEncoder(network.encode, layout)
    return BeatEncoder(network.encode, layout, network.used_bits.tolist())


def _look_ahead(m: Module, beat: Signal, last: Value, table: dict[int, int], name: str) -> Value:
    """Return ``table[beat]``: a constant where all entries agree, else a register.

    The statements belong where a beat is taken. They fetch the entry of the beat to come, so that
    a large table does not delay the beat that is there.
    """
    beats: dict[int, list[int]] = {}  # by entry
    for at, entry in table.items():
        beats.setdefault(entry, []).append(at)
    common = max(beats, key=lambda entry: len(beats[entry]))  # also where there is no entry
    if len(beats) == 1:
        return Const(common)
    start = table.get(0, common)
    result = Signal(range(min(beats), max(beats) + 1), name=name, init=start)
    with m.If(last):
        m.d.sync += result.eq(start)
    with m.Else(), m.Switch(beat):
        for entry, places in beats.items():
            before = [at - 1 for at in places if at > 0]
            if entry != common and before:
                with m.Case(*before):
                    m.d.sync += result.eq(entry)
        with m.Default():
            m.d.sync += result.eq(common)
    return result


def _spell(number: int) -> str:
    """Return ``number`` as part of a Verilog name."""
    return str(number) if number >= 0 else f"m{-number}"

"""A lower bound of a core's area, in less time than it takes to elaborate it.

It counts what synthesis does not remove: the look-up tables that the logic states in the part's own
cells, and registers. Synthesis drops some of those, too, and so does the count:

1. What no result depends on. Liveness is followed from the results back to the encoder, through
   every part and into every shared module.
2. What computes the same from the same: nets have classes, and equal tables of equal classes are
   one. Classes are kept from part to part.
3. Constants, and bits that equal others: the logic is made without them
(:mod:`htaflow.hw.logic.constants`).

Everything else counts nothing: the truth tables that synthesis makes, the encoder, line buffers,
the board's serial line. So no core that fits a part is said not to.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from functools import singledispatch

from htaflow.hw.layers import Part
from htaflow.hw.layers.encode import BeatEncoder, FrameEncoder
from htaflow.hw.layers.image import Deserialiser, Serialiser
from htaflow.hw.layers.spiking import Membranes
from htaflow.hw.layers.steps import StepAccumulator, StepPresenter
from htaflow.hw.layers.window import Windows
from htaflow.hw.logic.netlist import FALSE, TRUE, Instance, Logic, Net
from htaflow.hw.network import NetworkCore
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.stage import Stage

Class = int
"""A hash that nets share if they carry the same bit. If others share it by chance, less counts."""


@dataclass(frozen=True)
class LowerBound:
    """The least numbers of look-up tables and of flip-flops."""

    tables: int
    registers: int


def lower_bound(core: NetworkCore, enough: int) -> LowerBound:
    """Return a lower bound of the area of ``core``, which is made for a part with its own cells.

    Counting ends soon after ``enough`` look-up tables.
    """
    places = [_place(part) for part in core.parts]
    live = set(range(places[-1].width))
    wanted = []
    for place in reversed(places):
        live, needed = place.follow(live)
        wanted.append(live)
        live = needed
    count = _Count(enough)
    classes: list[Class] = []
    for place, live in zip(places, reversed(wanted), strict=True):
        classes = place.count(count, classes, live)
        if count.is_enough:
            break
    return LowerBound(len(count.tables), len(count.registers))


@dataclass(frozen=True)
class _Live:
    """The part of a netlist that matters: nets, and of each block, by its first net, outputs."""

    nets: set[Net] = field(default_factory=set)
    blocks: dict[Net, set[int]] = field(default_factory=dict)

    def inputs(self, logic: Logic) -> list[int]:
        """Return which inputs of ``logic`` are among the nets."""
        return [net - logic.inputs.start for net in self.nets if net in logic.inputs]


def _follow(logic: Logic, outputs: Set[int]) -> _Live:
    """Return what ``outputs`` of ``logic``, by index, depend on."""
    live = _Live()
    inner: dict[tuple[Logic, frozenset[int]], list[int]] = {}
    stack = [logic.outputs[index] for index in outputs]
    touched: dict[Net, Instance] = {}
    while stack:
        net = stack.pop()
        driver = logic.drivers.get(net)
        if isinstance(driver, tuple):
            block, index = driver
            seen = live.blocks.setdefault(block.first, set())
            if index not in seen:
                seen.add(index)
                touched[block.first] = block
        elif net not in live.nets:
            live.nets.add(net)
            if driver is not None:
                stack += driver.inputs
        if not stack:  # blocks come last, when most of their outputs that matter are known
            for first, block in touched.items():
                key = block.module, frozenset(live.blocks[first])
                if key not in inner:
                    inner[key] = _follow(block.module, key[1]).inputs(block.module)
                stack += [block.inputs[index] for index in inner[key]]
            touched.clear()
    return live


@dataclass
class _Count:
    """The distinct look-up tables and registers found so far."""

    enough: int
    tables: set[Class] = field(default_factory=set)
    registers: set[Class] = field(default_factory=set)
    inner: dict[tuple[Logic, frozenset[int]], _Live] = field(default_factory=dict)

    @property
    def is_enough(self) -> bool:
        """Whether there are more look-up tables than anybody asks for."""
        return len(self.tables) > self.enough

    def add(self, logic: Logic, fed: Sequence[Class], live: _Live) -> list[Class]:
        """Count what is ``live`` in ``logic`` on inputs of classes ``fed``, and class outputs."""
        classes: dict[Net, Class] = {FALSE: hash("0"), TRUE: hash("1")}
        classes.update(zip(logic.inputs, fed, strict=True))
        for net, driver in logic.drivers.items():
            if isinstance(driver, tuple):
                block, index = driver
                if index == 0 and net in live.blocks and not self.is_enough:
                    yielded = self._add_block(block, classes, live.blocks[net])
                    classes.update(zip(range(net, net + len(yielded)), yielded, strict=True))
            elif net in live.nets:
                # Of a block that was passed over since there is enough, nothing is known.
                found = hash((driver.table, *(classes.get(each, each) for each in driver.inputs)))
                classes[net] = found
                if logic.is_cell(net):
                    self.tables.add(found)
        return [classes.get(net, hash((logic.name, net))) for net in logic.outputs]

    def _add_block(
        self, block: Instance, classes: dict[Net, Class], outputs: set[int]
    ) -> list[Class]:
        """Count the tables of one instance of a shared module."""
        key = block.module, frozenset(outputs)
        if key not in self.inner:
            self.inner[key] = _follow(block.module, outputs)
        fed = [
            hash((classes.get(net, net), "inverted")) if flip else classes.get(net, net)
            for net, flip in zip(block.inputs, block.flip, strict=True)
        ]
        return self.add(block.module, fed, self.inner[key])


class _Logical:
    """A part that computes: logic, and perhaps registers that it reads again.

    ``fed_back`` names, for the last inputs of the logic, the outputs that they were a transfer
    before; ``others`` inputs come after those. Of the outputs, ``width`` are yielded. ``same``
    tells of each bit that it yields whether it equals an earlier one.
    """

    def __init__(
        self,
        part: Stage | Membranes | StepAccumulator,
        *,
        registered: bool = True,
        width: int | None = None,
        fed_back: Sequence[int] = (),
        others: int = 0,
    ) -> None:
        self.logic = logic = part.logic
        self.name, self.same = part.name, logic.known_outputs().same
        self.registered = registered
        self.carries = part.is_tap
        self.width = len(logic.outputs) if width is None else width
        self.fed_back = fed_back
        self.fed = len(logic.inputs) - len(fed_back) - others

    def follow(self, live: set[int]) -> tuple[set[int], set[int]]:
        """Return which outputs matter if those in ``live`` do, and which bits it must be fed."""
        live = set(range(self.width)) if self.carries else live
        while True:
            inputs = _follow(self.logic, live).inputs(self.logic)
            held = [index - self.fed for index in inputs if index >= self.fed]
            before = {self.fed_back[index] for index in held if index < len(self.fed_back)}
            if before <= live:
                return live, {index for index in inputs if index < self.fed}
            live = live | before

    def count(self, count: _Count, fed: list[Class], live: set[int]) -> list[Class]:
        """Count what ``live`` outputs take, and return the classes of what it yields."""
        held = [hash((self.name, index)) for index in range(self.fed, len(self.logic.inputs))]
        classes = count.add(self.logic, [*fed, *held], _follow(self.logic, live))
        if self.registered:
            # What reads a constant, or a bit that equals another, reads something else instead.
            kept = (index for index in live if self.same[index] == index)
            classes = [hash((self.name, each)) for each in classes]
            count.registers |= {classes[index] for index in kept}
        return classes[: self.width]


class _Moving:
    """A part that makes no logic that counts: each bit comes from some that it is fed.

    ``sources`` gives those of each bit, and a number that differs between bits of one source.
    """

    def __init__(
        self, part: LayerComponent, sources: Callable[[int], tuple[Sequence[int], int]] | None
    ) -> None:
        self.name = part.name
        self.width = len(part.output.payload)
        self._sources = sources

    def follow(self, live: set[int]) -> tuple[set[int], set[int]]:
        """Return ``live``, and which bits it must be fed to yield those."""
        sources = self._sources
        if sources is None:
            return live, set()
        return live, {source for index in live for source in sources(index)[0]}

    def count(self, count: _Count, fed: list[Class], live: set[int]) -> list[Class]:
        """Return the classes of what it yields."""
        sources = self._sources
        if sources is None:
            return [hash((self.name, index)) for index in range(self.width)]
        found = []
        for index in range(self.width):
            read, number = sources(index)
            found.append(hash((self.name, number, *(fed[source] for source in read))))
        return found


@singledispatch
def _place(part: Part) -> _Logical | _Moving:
    """Return how ``part`` is counted.

    Raises ``NotImplementedError`` for a component that nothing is registered for.
    """
    raise NotImplementedError(f"no lower bound of a {type(part).__name__}")


@_place.register
def _(part: Stage) -> _Logical:
    return _Logical(part, registered=part.registered)


@_place.register
def _(part: Membranes) -> _Logical:
    outputs, neurons = range(len(part.logic.outputs)), len(part.layer.weights)
    subtracts = part.layer.reset == "subtract"
    fed_back = [*outputs[neurons:], *(outputs[:neurons] if subtracts else ())]
    return _Logical(part, width=neurons, fed_back=fed_back)


@_place.register
def _(part: StepAccumulator) -> _Logical:
    # Its last input says whether to go on.
    return _Logical(part, fed_back=range(len(part.logic.outputs)), others=1)


@_place.register(FrameEncoder)
@_place.register(BeatEncoder)
def _(part: FrameEncoder | BeatEncoder) -> _Moving:
    return _Moving(part, None)  # the first; nothing is counted before it


@_place.register(Windows)
@_place.register(Deserialiser)
def _(part: Windows | Deserialiser) -> _Moving:
    """Both yield runs of numbers of one channel."""
    width = part.number_bits
    run = len(part.output.payload) // len(part.input.payload)

    def of_run(index: int) -> tuple[Sequence[int], int]:
        number, place = divmod(index, width)
        channel, at = divmod(number, run)
        return [channel * width + place], at

    return _Moving(part, of_run)


@_place.register
def _(part: Serialiser) -> _Moving:
    width = part.number_bits
    run = len(part.input.payload) // len(part.output.payload) * width

    def of_channel(index: int) -> tuple[Sequence[int], int]:
        channel, place = divmod(index, width)
        return range(channel * run + place, (channel + 1) * run, width), 0

    return _Moving(part, of_channel)


@_place.register
def _(part: StepPresenter) -> _Moving:
    fed, width = len(part.input.payload), len(part.output.payload)
    return _Moving(part, lambda index: (range(index, fed, width), 0))

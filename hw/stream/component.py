"""What the parts of a core's chain have in common."""

from collections.abc import Sequence
from typing import ClassVar

from amaranth.hdl import Module, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.stream.schedule import Pipeline


class LayerComponent(wiring.Component):
    """A component between two streams: its ports bear the layer's name in the Verilog.

    The streams keep the rules of :mod:`htaflow.hw.stream.stage`. One frame may be several
    transfers, of an image's pixels or of time steps; how many is known on both sides, so no
    transfer is marked as the last.

    Parameters:
        name: the layer's name.
        taken, yielded: shapes of a transfer of ``input`` and of ``output``; a number is that many
            bits.
        drops: whether it may drop frames, as a first layer does: then it has a port that says so.

    Attributes:
        pipelines: what it does in which cycle, for :func:`htaflow.hw.stream.schedule.schedule`.
        known: what is known of the bits of a transfer that it yields, if anything.
        is_tap, carried: as of a :class:`htaflow.hw.stream.stage.Stage`: bits of an earlier layer
            never pass beside a component.

    Members:
        input, output: the streams.
        dropped: where it ``drops``, 1 for one cycle for each frame dropped, in the cycle after the
            transfer that showed that it must be.
    """

    input: stream.Interface
    output: stream.Interface
    dropped: Signal

    pipelines: Sequence[Pipeline]
    known: BitFacts | None = None
    is_tap: ClassVar[bool] = False
    carried: ClassVar[int] = 0

    def __init__(
        self, name: str, taken: ShapeLike, yielded: ShapeLike, *, drops: bool = False
    ) -> None:
        self.name = name
        self.drops = drops
        members = {"input": In(stream.Signature(taken)), "output": Out(stream.Signature(yielded))}
        super().__init__(members | ({"dropped": Out(1)} if drops else {}))
        for member, port in self.signature.members.create(path=(name,)).items():
            setattr(self, member, port)

    @property
    def modules(self) -> dict[str, str]:
        """Verilog of the modules that the component instantiates, by name."""
        return {}

    @property
    def probe(self) -> str:
        """Path, from the core, of the payload that the component holds for the next."""
        return f"{self.name}.{self.name}__output__payload"


def position(m: Module, moves: Value, count: int) -> tuple[Signal, Value]:
    """Return the index of the current one of ``count`` transfers, and whether it is the last.

    In a cycle in which it ``moves``, it goes on to the next, and from the last to the first.
    """
    at = Signal(range(count))
    last = at == count - 1
    with m.If(moves):
        m.d.sync += at.eq(at + 1)
        with m.If(last):
            m.d.sync += at.eq(0)
    return at, last

"""What the parts of a core's chain have in common."""

from collections.abc import Mapping, Sequence

from amaranth.lib import stream, wiring

from htaflow.hw.known import Known
from htaflow.hw.schedule import Pipeline


class LayerComponent(wiring.Component):
    """A component between two streams: its ports bear the layer's name in the Verilog.

    The streams keep the rules of :mod:`htaflow.hw.stage`. One frame may be several transfers, of an
    image's pixels or of time steps; how many is known on both sides, so no transfer is marked as
    the last.

    Parameters:
        name: the layer's name.
        members: the component's members, as a signature has them: ``input`` and ``output``.

    Attributes:
        pipelines: what it does in which cycle, for :func:`htaflow.hw.schedule.schedule`.
        known: what is known of the bits of a transfer that it yields, if anything.
    """

    input: stream.Interface
    output: stream.Interface

    pipelines: Sequence[Pipeline]
    known: Known | None = None

    def __init__(self, name: str, members: Mapping[str, wiring.Member]) -> None:
        self.name = name
        super().__init__(members)
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

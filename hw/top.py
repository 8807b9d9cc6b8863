# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""The Verilog boundary: a network core behind AXI4-Stream names."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from htaflow.hw.network import NetworkCore
from htaflow.hw.target import PORTABLE, Target
from htaflow.model.network import Network


class Top(wiring.Component):
    """A network with AXI4-Stream ports.

    Latency and initiation interval: those of ``core``.

    Parameters:
        network: what is built.
        bus_bits: width of ``s_axis_tdata``; ``None`` for a whole frame in one beat.
        target, pipeline, depth: as :class:`htaflow.hw.network.NetworkCore` takes them.

    Members:
        s_axis_*: frames in; ``tlast`` is 1 on the last beat of a frame and on no other; ``tuser``
            is 1 on a last beat to have the frame dropped.
        m_axis_*: results out, one beat each.
    """

    s_axis_tdata: Signal
    s_axis_tvalid: Signal
    s_axis_tready: Signal
    s_axis_tlast: Signal
    s_axis_tuser: Signal
    m_axis_tdata: Signal
    m_axis_tvalid: Signal
    m_axis_tready: Signal
    m_axis_tlast: Signal

    def __init__(
        self,
        network: Network,
        bus_bits: int | None = None,
        target: Target = PORTABLE,
        pipeline: Sequence[str] | None = None,
        depth: float | None = None,
    ) -> None:
        self.core = NetworkCore(network, bus_bits, target, pipeline, depth)
        super().__init__(
            {
                "s_axis_tdata": In(self.core.input_layout.bus_bits),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "s_axis_tlast": In(1),
                "s_axis_tuser": In(1),
                "m_axis_tdata": Out(self.core.output_layout.width),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "m_axis_tlast": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect the core."""
        m = Module()
        m.submodules.core = core = self.core
        m.d.comb += [
            core.input.payload.data.eq(self.s_axis_tdata),
            core.input.payload.last.eq(self.s_axis_tlast),
            core.input.payload.error.eq(self.s_axis_tuser),
            core.input.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(core.input.ready),
            self.m_axis_tdata.eq(core.output.payload),
            self.m_axis_tvalid.eq(core.output.valid),
            core.output.ready.eq(self.m_axis_tready),
            self.m_axis_tlast.eq(core.output.valid),
        ]
        return m

"""The Verilog boundary: a network core behind AXI4-Stream names."""

from amaranth.hdl import Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from htaflow.hw.network import NetworkCore

DROPPED_CYCLES = 1
"""Cycles from the transfer that shows that a frame must be dropped to that in which it is told."""


class Top(wiring.Component):
    """A network with AXI4-Stream ports.

    Latency and initiation interval: those of ``core``.

    Parameters:
        core: the network; ``s_axis_tdata`` is as wide as its input bus.

    Members:
        s_axis_*: frames in; ``tlast`` is 1 on the last beat of a frame and on no other; ``tuser``
            is 1 on a last beat to have the frame dropped.
        m_axis_*: results out, one beat each.
        dropped: 1 for one cycle for each frame that gives no result: see :class:`NetworkCore`.

    While ``rst`` is 1, ``s_axis_tready`` and ``m_axis_tvalid`` are 0, from its first cycle on: no
    transfer happens. What the design held of frames is gone, and is not told as dropped.
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
    dropped: Signal

    def __init__(self, core: NetworkCore) -> None:
        self.core = core
        super().__init__(
            {
                "s_axis_tdata": In(core.input_layout.bus_bits),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "s_axis_tlast": In(1),
                "s_axis_tuser": In(1),
                "m_axis_tdata": Out(core.output_layout.width),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "m_axis_tlast": Out(1),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect the core."""
        m = Module()
        m.submodules.core = core = self.core
        running = ~ResetSignal()
        m.d.comb += [
            core.input.payload.data.eq(self.s_axis_tdata),
            core.input.payload.last.eq(self.s_axis_tlast),
            core.input.payload.error.eq(self.s_axis_tuser),
            core.input.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(core.input.ready & running),
            self.m_axis_tdata.eq(core.output.payload),
            self.m_axis_tvalid.eq(core.output.valid & running),
            core.output.ready.eq(self.m_axis_tready),
            self.m_axis_tlast.eq(core.output.valid & running),
            self.dropped.eq(core.dropped),
        ]
        return m

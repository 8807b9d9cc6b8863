"""The phase-locked loop of an ECP5: its divisors, and the component that is one.

The loop makes ``output = input * feedback / reference``; the oscillator within it runs at
``output * divisor``. Limits: Lattice's ECP5 data sheet and ``ecppll`` of Project Trellis. The
comparison frequency, ``input / reference``, may be as low as ``ecppll`` lets it be. Below 10 MHz
Lattice does not guarantee the jitter, so the highest one that makes the output is chosen.
"""

from dataclasses import dataclass
from fractions import Fraction

from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from htaflow.model.support.errors import BadInputError

MAX_ERROR = Fraction(50, 10**6)
"""How far the output may be from what is asked for: as far as an oscillator itself may be off."""

_INPUT_HZ = (8_000_000, 400_000_000)
_MIN_COMPARISON_HZ = 3_125_000
_INNER_HZ = (400_000_000, 800_000_000)
_OUTPUT_HZ = (3_125_000, 400_000_000)
_BEST_INNER_HZ = 600_000_000  # the middle, far from both limits
_MAX_FEEDBACK = 80
_MAX_DIVISOR = 128


@dataclass(frozen=True)
class PllSettings:
    """Divisors of a loop fed with ``input_hz``."""

    input_hz: int
    reference: int
    feedback: int
    divisor: int

    @property
    def output_hz(self) -> Fraction:
        """The frequency that comes out, exactly."""
        return Fraction(self.input_hz * self.feedback, self.reference)


def find_settings(input_hz: int, output_hz: int) -> PllSettings:
    """Return the settings that make ``output_hz`` within 50 ppm.

    Of several, the nearest is taken, then the one with the highest comparison frequency. Raises
    ``BadInputError``, with the nearest frequencies that can be made, if there are none.
    """
    if not _within(input_hz, _INPUT_HZ):
        low, high = (limit // 1_000_000 for limit in _INPUT_HZ)
        raise BadInputError(
            f"a PLL takes {low} to {high} MHz, and this oscillator has {_mhz(input_hz)} MHz"
        )
    reachable = _reachable(input_hz)
    best = min(reachable, key=lambda frequency: abs(frequency - output_hz))
    if abs(best - output_hz) > MAX_ERROR * output_hz:
        below = max((f for f in reachable if f < output_hz), default=None)
        above = min((f for f in reachable if f > output_hz), default=None)
        near = " and ".join(_mhz(f) for f in (below, above) if f is not None)
        raise BadInputError(
            f"{_mhz(output_hz)} MHz cannot be made from {_mhz(input_hz)} MHz; the nearest: "
            f"{near} MHz"
        )
    reference, feedback = reachable[best]
    return PllSettings(input_hz, reference, feedback, _divisor(best))


def _reachable(input_hz: int) -> dict[Fraction, tuple[int, int]]:
    """Return every output in Hz, with the smallest (reference, feedback) that makes it."""
    found: dict[Fraction, tuple[int, int]] = {}
    low, high = _OUTPUT_HZ
    for reference in range(1, min(_MAX_DIVISOR, input_hz // _MIN_COMPARISON_HZ) + 1):
        for feedback in range(1, _MAX_FEEDBACK + 1):
            if low * reference <= input_hz * feedback <= high * reference:
                output = Fraction(input_hz * feedback, reference)
                found.setdefault(output, (reference, feedback))
    return found


def _divisor(output_hz: Fraction) -> int:
    """Return the divisor that puts the inner oscillator nearest the middle of its range."""
    choices = (n for n in range(1, _MAX_DIVISOR + 1) if _within(output_hz * n, _INNER_HZ))
    return min(choices, key=lambda n: abs(output_hz * n - _BEST_INNER_HZ))


def _within(frequency: Fraction | int, limits: tuple[int, int]) -> bool:
    return limits[0] <= frequency <= limits[1]


def _mhz(frequency: Fraction | int) -> str:
    return f"{float(frequency) / 1e6:.7g}"


class Pll(wiring.Component):
    """An ECP5's phase-locked loop, ``EHXPLLL``, fed back from its output.

    Parameters:
        settings: its divisors.

    Members:
        clk: the oscillator.
        output: the clock made from it; not to be used before ``locked``.
        locked: whether ``output`` has its frequency; in no clock's domain.
    """

    clk: Signal
    output: Signal
    locked: Signal

    def __init__(self, settings: PllSettings) -> None:
        self.settings = settings
        super().__init__({"clk": In(1), "output": Out(1), "locked": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Return the instance."""
        m = Module()
        m.submodules.loop = Instance(
            "EHXPLLL",
            # The loop's filter, as ecppll and Lattice's own tool set it.
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_CLKI_DIV=self.settings.reference,
            p_CLKFB_DIV=self.settings.feedback,
            p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=self.settings.divisor,
            p_CLKOP_CPHASE=self.settings.divisor - 1,  # in phase with the input
            p_CLKOP_FPHASE=0,
            p_OUTDIVIDER_MUXA="DIVA",
            i_CLKI=self.clk,
            i_CLKFB=self.output,
            i_RST=0,
            i_STDBY=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=0,
            i_PHASESTEP=0,
            i_PHASELOADREG=0,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=0,
            o_CLKOP=self.output,
            o_LOCK=self.locked,
        )
        return m

"""What was compared, and what is not equal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from htaflow.flows.proof.gates import Bit

MOST_DIFFERENCES = 20
"""Differences that are kept; the others are counted."""


@dataclass
class Equivalence:
    """What was compared, and what is not equal.

    Attributes:
        flops: flip-flops of the netlist that are proved equal to one of the Verilog, or constant.
        outputs: outputs, and inputs of closed cells, that were compared.
        left_out: flip-flops of the Verilog that the netlist lacks: they are constant, equal to
            others, or nothing reads them.
        differences: how many comparisons failed; ``different`` describes the first of them: the
            signal, values of flip-flops and inputs that show it, and what each design then gives.
        wrong: flip-flops of the Verilog that take something else than the netlist's of their name.
        open: what could not be decided, in words.
    """

    flops: int = 0
    outputs: int = 0
    left_out: int = 0
    differences: int = 0
    different: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[Bit] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    @property
    def closed(self) -> bool:
        """Whether the designs are proved equal."""
        return not self.differences and not self.open


def differences(result: Equivalence) -> Sequence[str]:
    """Return what is wrong with ``result``, a line each."""
    lines = []
    for found in result.different:
        where = ", ".join(f"{name} = {value}" for name, value in list(found["with"].items())[:12])
        if "verilog" in found:
            line = (
                f"{found['signal']}: {found['verilog']} in the Verilog, {found['netlist']} in the "
            )
            line += f"netlist ({found.get('what', where)})"
        else:
            line = f"{found['signal']}: {found['what']}"
        lines.append(line)
    return lines + result.open

"""A design as simple gates and flip-flops, flat. Signals keep their names.

Those of a module come after its instance's: ``core.layers.hidden1__output__payload``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from htaflow.flows.proof.algebra import Algebra, apply_gate
from htaflow.model.support.errors import HtaflowError

Bit = int
"""A wire. 0 and 1 are the constants; those below 0 have values that nothing defines."""


class GateError(HtaflowError):
    """A design holds something that is no gate and no flip-flop on a rising edge."""

    exit_code = 1


@dataclass(frozen=True)
class Flop:
    """A flip-flop: what it takes at a rising edge of ``clock``, and what it starts as, if known."""

    data: Bit
    clock: Bit
    init: int | None


class Box(NamedTuple):
    """A cell that is not looked into: its type, what it is fed, what it drives, its parameters."""

    kind: str
    inputs: Mapping[str, list[Bit]]
    outputs: Mapping[str, list[Bit]]
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Gates:
    """A flat design.

    Attributes:
        gates: what drives a bit: the gate's type and inputs.
        flops: flip-flops by the bit they drive.
        boxes: cells that stay closed, such as a PLL, by name.
        signals: bits of each named signal, low bit first.
        inputs, outputs: bits of the ports.
    """

    gates: Mapping[Bit, tuple[str, tuple[Bit, ...]]]
    flops: Mapping[Bit, Flop]
    boxes: Mapping[str, Box]
    signals: Mapping[str, list[Bit]]
    inputs: Mapping[str, list[Bit]]
    outputs: Mapping[str, list[Bit]]

    def evaluate(
        self,
        algebra: Algebra,
        roots: Iterable[Bit],
        values: dict[Bit, int],
        other: Callable[[Bit], int],
    ) -> list[int]:
        """Return the values of ``roots`` in ``algebra``.

        ``values`` gives those of some bits and receives those of all bits on the way; ``other`` is
        asked for each bit that no gate drives and that ``values`` lacks. Raises ``GateError`` if
        gates form a loop.
        """
        values[0], values[1] = 0, algebra.true
        roots = list(roots)
        for root in roots:
            stack = [root]
            waiting: set[Bit] = set()
            while stack:
                bit = stack[-1]
                if bit in values:
                    stack.pop()
                    continue
                gate = self.gates.get(bit)
                if gate is None:
                    values[bit] = other(bit)
                    continue
                kind, inputs = gate
                if kind == "$_MUX_" and values.get(inputs[2]) in (0, algebra.true):
                    # What is not chosen need not be looked at: it may be a register's own value.
                    inputs = (inputs[1 if values[inputs[2]] else 0],)
                    kind = "$_BUF_"
                missing = [source for source in inputs if source not in values]
                if kind == "$_MUX_" and inputs[2] in missing:
                    missing = [inputs[2]]
                if not missing:
                    values[bit] = apply_gate(algebra, kind, [values[source] for source in inputs])
                elif bit in waiting and not waiting.isdisjoint(missing):
                    raise GateError(f"its gates form a loop at {self.name_of(bit)}")
                else:
                    waiting.add(bit)
                    stack += missing
        return [values[root] for root in roots]

    def name_of(self, bit: Bit) -> str:
        """Return the shortest name of ``bit``."""
        found = [
            f"{name}[{bits.index(bit)}]" if len(bits) > 1 else name
            for name, bits in self.signals.items()
            if bit in bits
        ]
        return min(found, key=len, default=f"bit {bit}")

"""Time steps: how a frame's steps move."""

from htaflow.hw.layers.steps import StepAccumulator, StepPresenter
from htaflow.hw.logic.netlist import Net
from htaflow.sim.faults.inline import inline
from htaflow.sim.faults.layers.transfers import Surroundings, Transfers, transfers


@transfers.register
def _(part: StepPresenter, taken: Transfers, around: Surroundings) -> Transfers:
    (bits,) = taken
    width, steps = len(part.output.payload), part.layer.steps
    if part.layer.coding == "direct":
        return [bits] * steps
    return [bits[at * width : (at + 1) * width] for at in range(steps)]


@transfers.register
def _(part: StepAccumulator, taken: Transfers, around: Surroundings) -> Transfers:
    totals: list[Net] = [0] * len(part.output.payload)
    for at, bits in enumerate(taken):
        totals = inline(part.logic, around.logic, [*bits, *totals, int(at > 0)])
    return [totals]

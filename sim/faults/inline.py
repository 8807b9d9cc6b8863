"""One netlist put into another."""

from collections.abc import Sequence

from htaflow.hw.logic.netlist import Instance, Logic, Net, Table


def inline(source: Logic, target: Logic, inputs: Sequence[Net]) -> list[Net]:
    """Put ``source``, fed with ``inputs``, nets of ``target``, into it; return its outputs."""
    nets: dict[Net, Net] = {0: 0, 1: 1}
    nets.update(zip(source.inputs, inputs, strict=True))
    for net, driver in source.live_drivers():
        if isinstance(driver, Table):
            nets[net] = target.table(driver.table, [nets[one] for one in driver.inputs])
        elif net not in nets:
            nets |= _inline_block(driver[0], target, nets)
    return [nets[net] for net in source.outputs]


def _inline_block(block: Instance, target: Logic, nets: dict[Net, Net]) -> dict[Net, Net]:
    fed = [
        target.invert(nets[net]) if flip else nets[net]
        for net, flip in zip(block.inputs, block.flip, strict=True)
    ]
    outputs = inline(block.module, target, fed)
    return dict(zip(range(block.first, block.first + len(outputs)), outputs, strict=True))

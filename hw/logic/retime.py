"""Logic cut into parts, so that registers between them give a fast clock time for each.

Depth is counted in look-up tables of the target. One that synthesis must leave alone counts as one.
Others are merged where they fit: one of k inputs counts for as much of a look-up table as it fills,
(k - 1) / (inputs of a look-up table - 1).
"""

import math
from functools import cache

from htaflow.hw.logic.netlist import FALSE, TRUE, Driver, Logic, Net, Table


def depth(logic: Logic) -> float:
    """Return the look-up tables on the longest way through ``logic``."""
    return _deepest(logic, _levels(logic)) / _unit(logic)


def cut(logic: Logic, most: float) -> list[Logic]:
    """Return parts of ``logic``, each fed with what the one before yields.

    They are about equally deep, and about ``most`` look-up tables at most. A shared module is never
    cut: it belongs to the part in which it ends. The last part has the name and the outputs of
    ``logic``. Raises ``ValueError`` for ``most`` below 1.
    """
    if not most >= 1:
        raise ValueError(f"a part is at least one look-up table deep, not {most}")
    levels = _levels(logic)
    deepest = _deepest(logic, levels)
    count = math.ceil(deepest / (most * _unit(logic)))
    if count < 2:
        return [logic]
    # The part that ends at or after the net: ceil(level * count / deepest), counted from 0.
    place = {net: max(0, -(-level * count // deepest) - 1) for net, level in levels.items()}
    last = dict(place)  # the last part that reads the net
    for net, driver in logic.live_drivers():
        for source in _sources(driver):
            last[source] = max(last[source], place[net])
    last.update(dict.fromkeys(logic.outputs, count - 1))

    parts: list[Logic] = []
    fed: list[Net] = list(logic.inputs)
    for part in range(count):
        final = part == count - 1
        kept = (
            logic.outputs
            if final
            else [net for net, made in place.items() if net > TRUE and made <= part < last[net]]
        )
        name = logic.name if final else f"{logic.name}_{part}"
        parts.append(_extract(logic, name, fed, kept, {n for n in place if place[n] == part}))
        fed = kept
    return parts


def _extract(logic: Logic, name: str, fed: list[Net], kept: list[Net], inside: set[Net]) -> Logic:
    """Return the nets ``inside`` as logic of their own, from nets ``fed`` to nets ``kept``."""
    part = Logic(name, len(fed), logic.target)
    now = {FALSE: FALSE, TRUE: TRUE, **dict(zip(fed, part.inputs, strict=True))}
    for net, driver in logic.live_drivers():
        if net not in inside or net in now:
            continue
        sources = [now[source] for source in _sources(driver)]
        if not isinstance(driver, Table):
            block = driver[0]
            nets = part.block(block.module, sources, block.flip)
            now.update(zip(range(block.first, block.first + len(nets)), nets, strict=True))
        elif logic.is_cell(net):
            now[net] = part.cell(driver.table, sources)
        else:
            now[net] = part.add(driver.table, tuple(sources))
        if net in logic.names:
            part.name_bit(logic.names[net], now[net])
    part.outputs = [now[net] for net in kept]
    return part


def _unit(logic: Logic) -> int:
    return logic.target.lut_inputs - 1


def _deepest(logic: Logic, levels: dict[Net, int]) -> int:
    return max(levels[net] for net in logic.outputs)


def _sources(driver: Driver) -> tuple[Net, ...]:
    return driver.inputs if isinstance(driver, Table) else driver[0].inputs


def _levels(logic: Logic) -> dict[Net, int]:
    """Return the depth of every net that some output depends on, and of inputs and constants.

    In the fraction of a look-up table that makes them whole numbers.
    """
    unit = _unit(logic)
    levels = dict.fromkeys((FALSE, TRUE, *logic.inputs), 0)
    for net, driver in logic.live_drivers():
        if not isinstance(driver, Table):
            own = math.ceil(_module_depth(driver[0].module) * unit)
        elif logic.is_cell(net):
            own = unit
        else:
            own = len(driver.inputs) - 1
        levels[net] = own + max(levels[source] for source in _sources(driver))
    return levels


@cache
def _module_depth(module: Logic) -> float:
    return depth(module)

"""Classes guessed by simulation: flip-flops that take the same belong together."""

import random
from functools import partial

from htaflow.flows.proof.algebra import Words
from htaflow.flows.proof.equivalence.classes import FlopClasses
from htaflow.flows.proof.equivalence.pairing import CONSTANT, Side, Unit
from htaflow.flows.proof.gates import Bit

_PATTERNS = 2048
_DENSITIES = (1, 4, 8, 12, 15, 8, 8, 8)
"""Of 16 random bits how many are 1, in each eighth of the patterns: counters reach their ends."""
_QUIET_ROUNDS = 12
"""Rounds of simulation without a change after which the classes are taken for found."""


def sort_by_simulation(classes: FlopClasses) -> None:
    """Sort flip-flops by what they take for random values of the classes."""
    pairing, leader = classes.pairing, classes.leader
    sorting = set(pairing.sorted)
    undefined = [u for u in pairing.sorted if pairing.designs[u[0]].flops[u[1]].init is None]
    for unit in pairing.units:
        if unit not in sorting or unit in undefined:
            leader[unit] = unit
    draw = random.Random(0)  # noqa: S311 - patterns, no secrets
    words = Words(_PATTERNS)
    quiet = 0
    while quiet < _QUIET_ROUNDS:
        _, taken = _simulate(classes, words, draw)
        groups: dict[tuple[Unit, int], Unit] = {}
        changed = False
        # Those that keep their class first, so that only the others get a new one.
        for unit in sorted(taken, key=lambda unit: leader.get(unit, unit) != unit):
            old = leader.get(unit, CONSTANT)
            new = unit
            if unit == CONSTANT or unit in sorting or old == unit:
                new = groups.setdefault((old, taken[unit]), unit)
            if unit not in sorting:
                new = unit
            if unit != CONSTANT:
                changed = changed or new != old
                leader[unit] = new
        quiet = 0 if changed else quiet + 1


def join_named(classes: FlopClasses) -> bool:
    """Join classes without a named pair to a pair that may be equal; return if one was joined.

    It may be if both take the same whenever both hold the same.
    """
    pairing, leader = classes.pairing, classes.leader
    pairs = [(0, bit) for bit in pairing.named.values()]
    alone = {leader[unit] for unit in pairing.sorted} - {CONSTANT} - set(pairs)
    found = {unit: list[Unit](pairs) for unit in alone}  # type: ignore[arg-type]
    draw = random.Random(1)  # noqa: S311 - patterns, no secrets
    words = Words(_PATTERNS)
    for _ in range(_QUIET_ROUNDS):
        if not any(found.values()):
            break
        values, taken = _simulate(classes, words, draw)
        for unit, others in found.items():
            held, takes = values.get(unit, 0), taken[unit]
            found[unit] = [
                other
                for other in others
                if not (takes ^ taken[other]) & ~(held ^ values.get(other, 0))
            ]
    for unit in pairing.sorted:
        others = found.get(leader[unit], [])
        if others:
            leader[unit] = others[0]
    return any(found.values())


def _simulate(
    classes: FlopClasses, words: Words, draw: random.Random
) -> tuple[dict[Unit, int], dict[Unit, int]]:
    """Return random values of the classes, and what each flip-flop then takes.

    Values and what is taken are complemented where a flip-flop starts as 1.
    """
    pairing = classes.pairing
    values: dict[Unit, int] = {CONSTANT: 0}
    taken: dict[Unit, int] = {CONSTANT: 0}
    for side, design in enumerate(pairing.designs):
        flops = list(design.flops)
        data = [design.flops[bit].data for bit in flops]
        value = partial(_word, classes, values, words, draw, 1 if side else 0)
        results = design.evaluate(words, data, {}, value)
        for bit, word in zip(flops, results, strict=True):
            unit = pairing.unit(1 if side else 0, bit)
            if unit not in taken:  # of a pair, what the Verilog takes
                taken[unit] = words.invert(word) if pairing.init(unit) else word
    return values, taken


def _word(
    classes: FlopClasses,
    values: dict[Unit, int],
    words: Words,
    draw: random.Random,
    side: Side,
    bit: Bit,
) -> int:
    """Return the simulated value of a bit that no gate drives."""
    pairing = classes.pairing
    if bit in pairing.designs[side].flops:
        unit = pairing.unit(side, bit)
        leader = classes.leader[unit]
        flip = pairing.init(unit)
    else:
        leader, flip = (0, pairing.sources.get(bit, bit) if side else bit), 0
    word = values.get(leader)
    if word is None:
        word = 0
        eighth = _PATTERNS // len(_DENSITIES)
        for place, density in enumerate(_DENSITIES):
            word |= _random_word(draw, eighth, density) << place * eighth
        values[leader] = word
    return words.invert(word) if flip else word


def _random_word(draw: random.Random, bits: int, density: int) -> int:
    """Return ``bits`` random bits, of which ``density`` in 16 are 1."""
    word = 0
    for place in range(4):  # the binary digits of the density, the lowest first
        more = draw.getrandbits(bits)
        word = word | more if density >> place & 1 else word & more
    return word

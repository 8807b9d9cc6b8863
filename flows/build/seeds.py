"""Seeds of the placer: which are tried, which result is kept, and how far the results spread."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from htaflow.model.support.errors import BadInputError

_LIMIT = 1 << 31  # every tool takes a seed below


@dataclass(frozen=True)
class FmaxSpread:
    """The fastest clocks in MHz over ``count`` seeds."""

    count: int
    low: float
    middle: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.low:.1f} / {self.middle:.1f} / {self.high:.1f} MHz (min / median / max of "
            f"{self.count} seeds)"
        )


def seed_range(first: int, count: int) -> range:
    """Return ``count`` seeds from ``first`` on. Raises ``BadInputError`` if they are none."""
    if count < 1:
        raise BadInputError(f"--seeds: {count} is no number of seeds; try at least 1")
    if first < 0 or first + count > _LIMIT:
        raise BadInputError(
            f"--seed {first}, --seeds {count}: seeds are whole numbers from 0 to {_LIMIT - 1}"
        )
    return range(first, first + count)


def fastest(fmax: Mapping[int, float], among: Iterable[int]) -> int:
    """Return the seed ``among`` those given with the highest clock; of equals, the lowest.

    Raises ``ValueError`` if none of them has a clock.
    """
    return max((seed for seed in among if seed in fmax), key=lambda seed: (fmax[seed], -seed))


def spread(report: Mapping[str, Any]) -> FmaxSpread | None:
    """Return how a board's ``fmax_by_seed`` spreads; ``None`` for fewer than two seeds."""
    values = list(report.get("fmax_by_seed", {}).values())
    if len(values) < 2:
        return None
    return FmaxSpread(len(values), min(values), median(values), max(values))

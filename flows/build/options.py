"""How a network is built for a board: what a user may choose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from htaflow.flows.boards.board import Board
from htaflow.flows.build.route import find_router
from htaflow.flows.build.seeds import seed_range
from htaflow.model.support.arguments import checked


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build.

    Attributes:
        seed: of nextpnr's placer.
        seeds: how many to try, from ``seed`` on; the fastest result is kept. What is done stays if
            the build is interrupted, and a seed routed before is not routed again.
        clock_mhz: at which the design runs; by default the board's oscillator.
        timeout: seconds that each tool may take; by default what the size of its work allows.
        pipeline: names of the layers that end in a register; by default all.
        depth: about how many look-up tables, one after another, such a layer may have between
            registers; by default as many as a clock made by a PLL leaves time for, and any number
            without one.
        router: nextpnr's ``router1`` or ``router2``; by default ``router2`` for an ECP5 that runs
            at its oscillator's clock, else ``router1``.
    """

    seed: int = 1
    seeds: int = 1
    clock_mhz: float | None = None
    timeout: float | None = None
    pipeline: Sequence[str] | None = None
    depth: float | None = None
    router: str | None = None

    @property
    def wanted(self) -> range:
        """The seeds to try. Raises ``BadInputError`` if they are none."""
        return seed_range(self.seed, self.seeds)

    def on(self, board: Board) -> tuple[Board, str]:
        """Return the board at the wanted clock, and the router.

        Raises ``BadInputError`` if the board cannot make the clock, or there is no such router.
        """
        target = board.with_clock(self.clock_mhz)
        return target, find_router(target, self.router)


BuildOptions.__init__ = checked(BuildOptions.__init__)  # type: ignore[method-assign]


def locked(seed: int, clock_mhz: float, facts: dict[str, Any]) -> dict[str, Any]:
    """Return the options that decide what comes out, as ``lock.json`` has them."""
    chosen = {name: facts[name] for name in ("pipeline", "depth", "router")}
    return {"seed": seed, "clock_mhz": clock_mhz, **chosen}

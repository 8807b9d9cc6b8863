"""What every bench has: the files beside it, a log of its progress, and its result."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .scoreboard import Bytes, Phase

FOLDER = Path(__file__).resolve().parent.parent
PROGRESS_SECONDS = 4

Handle = Any
"""A cocotb handle: what lies under a design is known only to the simulator."""


class TB:
    """The bench around one design: its files, and the result of a run."""

    def __init__(self, dut: Handle, name: str) -> None:
        self.dut = dut
        self.name = name
        self.options: dict[str, Any] = json.loads((FOLDER / "bench.json").read_text())
        self.interface: dict[str, Any] = self.options["interface"]
        with np.load(FOLDER / "frames.npz", allow_pickle=False) as arrays:
            self.beats: Bytes = arrays["beats"]
            self.expected: Bytes = arrays["expected"]
        assert len(self.beats) == len(self.expected) > 0, "frames.npz holds no whole frame"

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.beats)

    @property
    def settled(self) -> bool:
        """Whether an earlier test failed and the first fault is all that is asked for."""
        path = FOLDER / "result.json"
        if not self.options.get("first_only") or not path.exists():
            return False
        return any(phase["problems"] for phase in json.loads(path.read_text()).values())

    def progress(self, frames: int) -> Callable[[int, int], None]:
        """Return a function that logs frames done, the cycle and the rate every few seconds."""
        begun = told = time.monotonic()

        def report(done: int, cycle: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told < PROGRESS_SECONDS:
                return
            told = now
            rate = cycle / (now - begun)
            self.dut._log.info(
                f"progress: {self.name}, {done} of {frames} frames, cycle {cycle}, "
                f"{rate:.3g} cycles/s"
            )

        return report

    def finish(self, phase: Phase) -> None:
        """Add ``phase`` to ``result.json`` and fail the test if anything is wrong."""
        path = FOLDER / "result.json"
        result = json.loads(path.read_text()) if path.exists() else {}
        problems = phase.problems()
        result[self.name] = asdict(phase) | {"problems": problems}
        beside = path.with_name(f".result.{os.getpid()}")
        beside.write_text(json.dumps(result, indent=2) + "\n")
        beside.replace(path)
        self.dut._log.info(
            f"{self.name}: {phase.received} of {phase.frames} frames, "
            f"{phase.mismatches} mismatches, {phase.cycles} cycles in {phase.seconds:.1f} s"
        )
        assert not problems, "; ".join(problems)

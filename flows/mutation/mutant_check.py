"""One fault, one verdict: caught by the bench, proved to change nothing, or survived.

A fault that the bench's own frames do not show is looked for with other frames: random ones near
those of the test set, then a SAT solver's. Such a frame goes before the bench's own, and the bench
must catch the fault with it. Where the solver proves that there is no such frame, the mutant gives
what the right design gives, for every input and with the same cycles: it is equivalent.
"""

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from htaflow.flows.mutation.sat import is_satisfiable
from htaflow.hw.logic.netlist import Logic
from htaflow.model.integer.network import Encode, IntArray, Network
from htaflow.model.support.files import write_atomic
from htaflow.sim.faults.circuit import Circuit, evaluate
from htaflow.sim.faults.fault import Fault, FaultError
from htaflow.sim.faults.mutant import HardwareOptions, Mutant, make, right
from htaflow.sim.runner import CHECKS, Bench, SimulationError, run_bench
from htaflow.sim.verify import make_bench

Verdict = dict[str, Any]
"""``verdict``: ``caught``, ``equivalent`` or ``survived``, and what led to it."""

RETRIES, RETRY_FRAMES = 3, 200
"""Other benches, and frames in them, that are tried on a fault of time and order."""

ROUNDS, FRAMES_A_ROUND = 12, 4096
"""Random frames that are tried before the solver is asked."""


SHORT = 4000
"""Cycles at full rate up to which all tests are one simulation."""


def cycles_a_frame(interface: Mapping[str, Any]) -> int:
    """Return how many cycles the bench takes for a frame at full rate."""
    return max(int(interface["beats"]), int(interface["interval_cycles"]))


@dataclass(frozen=True)
class Limits:
    """Seconds that a mutant's simulation, and the solver, may take."""

    simulation: float
    solver: float


class MutantRunner:
    """Judges faults of one design, by one bench.

    Parameters:
        design: the right design.
        interface: its ``rtl/top.json``.
        frames: the bench's frames, ``[N, features]``.
        seed: of stalls and of random frames.
        folder: where to simulate.
        limits: what a mutant may take.
    """

    def __init__(
        self,
        design: HardwareOptions,
        interface: Mapping[str, Any],
        frames: IntArray,
        seed: int,
        folder: Path,
        limits: Limits,
    ) -> None:
        self.design = design
        self.interface = interface
        self.frames = frames
        self.seed = seed
        self.folder = folder
        self.limits = limits
        self.right = right(design)
        self.bench = self._bench(frames, seed)

    def control(self) -> str | None:
        """Simulate the right design; return what is wrong with it, or None."""
        found = self.simulate(self.right.verilog, self.bench)
        return None if found is None else f"{found['test']}: {found['problem']}"

    def reference(self, kind: str, site: dict[str, int]) -> Verdict:
        """Corrupt what the bench expects, not the design, and say whether the bench fails."""
        bench = self.bench
        if kind == "expected word":
            expected = bench.expected.copy()
            expected[site["frame"], site["bit"] // 8] ^= 1 << site["bit"] % 8
            bench = replace(bench, expected=expected)
        else:
            predicted = self.interface[kind] + site["by"]
            bench = replace(bench, interface={**self.interface, kind: predicted})
        found = self.simulate(self.right.verilog, bench)
        return {"verdict": "survived"} if found is None else {"verdict": "caught", **found}

    def judge(self, fault: Fault) -> Verdict:
        """Return the verdict on ``fault``."""
        mutant = make(self.design, fault)
        if mutant.verilog == self.right.verilog:
            if mutant.sequential:
                raise FaultError(f"the fault '{fault}' changes nothing in the Verilog")
            return _equivalent("its Verilog is the same, byte for byte")
        if found := self.simulate(mutant.verilog, self.bench):
            return {"verdict": "caught", "directed": False, **found}
        return self._retry(mutant) if mutant.sequential else self._settle(mutant)

    def simulate(self, verilog: str, bench: Bench) -> dict[str, str] | None:
        """Return the test of ``bench`` that ``verilog`` fails, and how; None if it passes."""
        source = self.folder / "top.v"
        write_atomic(source, verilog)
        cycles = len(bench.beats) * cycles_a_frame(self.interface)
        # Every frame at full rate is the longest test by far where a frame takes many cycles.
        orders = [CHECKS] if cycles < SHORT else [CHECKS[1:], CHECKS[:1]]
        for tests in orders:
            again = replace(bench, sources=(source,), tests=tests, first_only=True)
            again.write(self.folder)
            try:
                phases = run_bench(self.folder, time_limit=self.limits.simulation)
            except SimulationError as error:
                if not error.killed:
                    raise
                return {"test": "time limit", "problem": str(error).splitlines()[0]}
            for test in tests:
                if problems := phases[test]["problems"]:
                    return {"test": test, "problem": problems[0]}
        return None

    def _retry(self, mutant: Mutant) -> Verdict:
        """Try random frames and other stalls on a fault that no function of one frame shows."""
        rng = np.random.default_rng(self.seed)
        blocks = candidates(self.design.network, self.frames, rng)
        for seed, frames in zip(
            range(self.seed + 1, self.seed + 1 + RETRIES), blocks, strict=False
        ):
            found = self.simulate(mutant.verilog, self._bench(frames[:RETRY_FRAMES], seed))
            if found is not None:
                return {"verdict": "caught", "directed": True, "stalls": seed, **found}
        return _survived(f"not seen in {1 + RETRIES} benches, each with other frames and stalls")

    def _settle(self, mutant: Mutant) -> Verdict:
        """Find a frame that shows the fault, or prove that there is none."""
        circuit = Circuit(self.design.network.input)
        differs = circuit.difference(circuit.add(self.right.core), circuit.add(mutant.core))
        if differs is None:
            return _equivalent("all that its outputs depend on is the same netlist")
        frame, how = self._search(circuit, differs), "a random frame"
        if frame is None:
            answer = is_satisfiable(differs, self.limits.solver)
            if answer.verdict == "never":
                took = f"{answer.seconds:.1f} s"
                return _equivalent(f"proved by SAT over all inputs, in {took}", answer.seconds)
            if answer.verdict == "undecided":
                return _survived(f"undecided after {answer.seconds:.0f} s of SAT")
            frame, how = circuit.frame(answer.inputs), "a frame of the SAT solver"
        bench = self._bench(np.concatenate([frame[None], self.frames]), self.seed)
        found = self.simulate(mutant.verilog, bench)
        if found is None:
            return _survived(f"{how} shows it in the netlist, but not in the bench")
        return {"verdict": "caught", "directed": True, "frame": frame.tolist(), **found}

    def _search(self, circuit: Circuit, differs: Logic) -> IntArray | None:
        """Return a frame ``[features]`` for which ``differs`` yields 1, if chance finds one."""
        rng = np.random.default_rng(self.seed)
        begun = time.monotonic()
        for frames in itertools.islice(candidates(self.design.network, self.frames, rng), ROUNDS):
            (plane,) = evaluate(differs, circuit.planes(frames))
            shown = np.flatnonzero(np.unpackbits(plane.view(np.uint8), bitorder="little"))
            if len(shown):
                return np.asarray(frames[min(int(shown[0]), len(frames) - 1)])
            if time.monotonic() - begun > self.limits.solver:
                break
        return None

    def _bench(self, frames: IntArray, seed: int) -> Bench:
        return make_bench(
            Path(),
            self.design.network,
            self.interface,
            frames,
            len(frames),
            seed,
            "icarus",
        )


def candidates(network: Network, known: IntArray, rng: np.random.Generator) -> Iterator[IntArray]:
    """Yield frames that may show what ``known`` ones do not, :data:`FRAMES_A_ROUND` at a time.

    In turn: any frames; known ones, mixed with each other; and frames on the edges, at and just
    below thresholds of the encoder where there is one.
    """
    low, high = network.input.low, network.input.high
    count, features = FRAMES_A_ROUND, network.input.count
    encode = network.encode
    edges = [np.array([low, high])] * features
    if isinstance(encode, Encode):
        for feature in range(features):
            at = encode.threshold[encode.source == feature].astype(np.int64)
            values = np.concatenate([at, at - 1, edges[feature]])
            edges[feature] = np.clip(values, low, high)
    while True:
        yield rng.integers(low, high + 1, (count, features))
        columns = np.arange(features)
        chosen = known[rng.integers(len(known), size=(count, 2))]
        mask = rng.random((count, features)) < rng.random((count, 1))
        mixed = np.where(mask, chosen[:, 0], chosen[:, 1]).astype(np.int64)
        yield mixed
        drawn = np.stack([edges[k][rng.integers(len(edges[k]), size=count)] for k in columns], 1)
        yield np.where(rng.random((count, features)) < rng.random((count, 1)), drawn, mixed)


def _equivalent(reason: str, seconds: float = 0.0) -> Verdict:
    return {"verdict": "equivalent", "reason": reason, "seconds": seconds}


def _survived(reason: str) -> Verdict:
    return {"verdict": "survived", "reason": reason}

"""Judges at work side by side, each in a process of its own.

The parent writes one job a line to a process, as JSON, and reads one answer a line. A process is
ended by SIGTERM, upon which it ends the simulator or the solver that it runs; if the parent is
gone, it ends after the current job.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from htaflow.flows.mutation.mutant_check import Limits, MutantRunner, Verdict
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import HtaflowError
from htaflow.model.support.process import deferred_signals
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.signals import TerminatedError, clean_exit_on_signals
from htaflow.sim.faults.fault import Fault
from htaflow.sim.faults.mutant import HardwareOptions
from htaflow.sim.verify import read_frames, read_interface

CONTROL_SECONDS = 3600.0
"""What simulating the right design may take."""

_SLOWER, _SPARE_SECONDS = 10, 60.0
"""A mutant's time limit: this multiple of what the right design took, and these seconds more."""

_TELL_SECONDS, _LONG_SECONDS = 5.0, 20.0
_PATIENCE = 20.0
"""Seconds in which a process that was told to end must have ended."""


class JudgeError(HtaflowError):
    """A judge failed; the message is its own."""


@dataclass(frozen=True)
class Job:
    """A fault to judge, or a reference to corrupt; ``name`` tells it from all others."""

    name: str
    fault: dict[str, Any]

    @classmethod
    def of_reference(cls, kind: str, site: dict[str, int]) -> "Job":
        """Return the job that corrupts what the bench expects."""
        place = ", ".join(f"{name} {value}" for name, value in site.items())
        return cls(f"reference {kind}, {place}", {"reference": kind, "site": site})

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class Worker:
    """What every judge is told: the run, how many frames, the seed, the solver's limit."""

    run: Path
    frames: int
    seed: int
    solver_seconds: float


def judge_all(
    worker: Worker,
    jobs: Sequence[Job],
    *,
    partial: Path,
    inputs: str,
    workers: int,
    time_limit: float | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the verdict on each of ``jobs`` by name, but for those that time did not allow.

    First the right design is simulated; if the bench does not pass it, what is wrong is
    ``control``, and there are no verdicts. Verdicts are kept in ``partial`` as they come and taken
    from it if it was made from the same ``inputs``.

    Raises ``HtaflowError`` if a judge fails.
    """
    begun = time.monotonic()
    verdicts = _read_partial(partial, inputs)
    waiting = iter([job for job in jobs if job.name not in verdicts])
    lock, told = threading.Lock(), begun
    processes: list[subprocess.Popen[str]] = []

    def control() -> dict[str, Any]:
        with _process(worker, None, processes) as process:
            return _answer(process)

    def work(seconds: float) -> None:
        nonlocal told
        with _process(worker, seconds, processes) as process:
            while time_limit is None or time.monotonic() - begun < time_limit:
                with lock:
                    job = next(waiting, None)
                if job is None:
                    return
                assert process.stdin is not None
                process.stdin.write(json.dumps(job.fault) + "\n")
                process.stdin.flush()
                verdict = _answer(process)
                with lock:
                    verdicts[job.name] = verdict
                    with partial.open("a", encoding="utf-8") as file:
                        file.write(json.dumps([job.name, verdict]) + "\n")
                    now = time.monotonic()
                    if now - told > _TELL_SECONDS or len(verdicts) == len(jobs):
                        told = now
                        progress(_tell(verdicts, len(jobs)))

    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            first = pool.submit(control).result()
            if first["wrong"] is not None:
                return {"control": first["wrong"]}
            if first["seconds"] > _LONG_SECONDS:
                progress(
                    f"mutate: the bench takes {first['seconds']:.0f} s of the right design, and up "
                    "to that of each fault; fewer frames (--frames) take less"
                )
            seconds = first["seconds"] * _SLOWER + _SPARE_SECONDS
            futures = [pool.submit(work, seconds) for _ in range(min(workers, len(jobs)))]
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            raise
    return verdicts


def _read_partial(partial: Path, inputs: str) -> dict[str, Any]:
    """Return the verdicts that an interrupted run left; start the file anew if it has others."""
    try:
        first, *lines = partial.read_text(encoding="utf-8").splitlines(keepends=True)
    except (FileNotFoundError, ValueError):
        first, lines = "", []
    if first.strip() != inputs:
        partial.write_text(inputs + "\n", encoding="utf-8")
        return {}
    whole = [line for line in lines if line.endswith("\n")]  # the last one may be cut off
    partial.write_text("".join([first, *whole]), encoding="utf-8")
    return dict(json.loads(line) for line in whole)


def _tell(verdicts: dict[str, Any], count: int) -> str:
    survivors = sum(verdict["verdict"] == "survived" for verdict in verdicts.values())
    proved = sum(verdict["verdict"] == "equivalent" for verdict in verdicts.values())
    return (
        f"mutate: {len(verdicts)} of {count} judged, {proved} proved equivalent, "
        f"{survivors} survived"
    )


@contextmanager
def _process(
    worker: Worker, seconds: float | None, processes: list[subprocess.Popen[str]]
) -> Iterator[subprocess.Popen[str]]:
    """Start a judge; ``seconds`` are for a mutant's simulation, None to simulate the right one."""
    told = {**asdict(worker), "run": str(worker.run), "seconds": seconds}
    with deferred_signals():
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        processes.append(process)
    try:
        yield process
    finally:
        assert process.stdin is not None and process.stdout is not None
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stdin.close()


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Read the answer to a job."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise JudgeError(f"a judge ended with code {process.wait()} and without an answer")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        error = JudgeError(answer["error"])
        error.exit_code = answer["exit_code"]
        raise error
    return answer


def _work(arguments: str) -> None:
    """What a process does: read jobs, one a line, and answer each."""
    told = json.loads(arguments)
    run, seconds = Path(told["run"]), told["seconds"]
    try:
        with clean_exit_on_signals(), tempfile.TemporaryDirectory(prefix="htaflow-") as folder:
            network = Run(run).load_network()
            interface = read_interface(run, network)
            design = HardwareOptions.of(
                network, interface, Run(run).verilog.read_text(encoding="utf-8")
            )
            frames, _ = read_frames(run, network, told["frames"], told["seed"])
            limits = Limits(seconds or CONTROL_SECONDS, told["solver_seconds"])
            judge = MutantRunner(design, interface, frames, told["seed"], Path(folder), limits)
            if seconds is None:
                begun = time.monotonic()
                wrong = judge.control()
                _say({"wrong": wrong, "seconds": time.monotonic() - begun})
                return
            for line in sys.stdin:
                _say(_judge(judge, json.loads(line)))
    except HtaflowError as error:
        _say({"error": str(error), "exit_code": error.exit_code})
    except OSError as error:
        _say({"error": f"{error.filename or run}: {error}", "exit_code": 2})
    except (TerminatedError, KeyboardInterrupt):
        sys.exit(130)


def _judge(judge: MutantRunner, job: dict[str, Any]) -> Verdict:
    if "reference" in job:
        return judge.reference(job["reference"], job["site"])
    return judge.judge(Fault(**job))


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _work(sys.argv[1])

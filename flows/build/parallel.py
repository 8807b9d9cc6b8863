"""Builds for several boards side by side, each in a process of its own.

A process, because an interruption must reach every build: it kills the tools that it runs, in
Python's main thread only. Ctrl-C in a terminal reaches the parent alone, which then ends the
processes by SIGTERM: unlike SIGINT, that is silent in a Python that has not quite started. The
parent reads one JSON object a line from a process: ``{"progress": text}``, and at the end
``{"report": ...}`` or ``{"error": text, "exit_code": number}``.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from htaflow.flows.boards.board import load_board
from htaflow.flows.build.build import DEFAULT, build
from htaflow.flows.build.options import BuildOptions
from htaflow.hw.network import check_pipeline
from htaflow.model.run_directory import Run
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import HtaflowError
from htaflow.model.support.process import supervised
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.signals import suppress_warnings


class BuildError(HtaflowError):
    """At least one build failed; the message has what each said."""


@checked
def build_all(
    run: str | Path,
    boards: Sequence[str],
    options: BuildOptions = DEFAULT,
    *,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Build ``run`` for each of ``boards``, as many at once as there are cores.

    Returns each board's report, in the order given.

    Raises:
        BadInputError: a board, a layer or the router is not known, a board cannot make the clock,
            there are no seeds, no such depth or the run has no network; nothing has been built.
        BuildError: a build failed. The others have been brought to their end.
    """
    assert options.wanted  # refuses what are no seeds
    for name in boards:
        options.on(load_board(name))
    check_pipeline(Run(Path(run)).load_network(), options.pipeline, options.depth)
    if len(boards) == 1:
        return {boards[0]: build(run, boards[0], options, progress=progress)}
    workers: list[subprocess.Popen[bytes]] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        arguments = [json.dumps([str(run), name, asdict(options)]) for name in boards]
        futures = [pool.submit(_follow, one, workers, progress) for one in arguments]
        try:
            answers = [future.result() for future in futures]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.terminate()
            raise
    failed = [answer for answer in answers if "error" in answer]
    if failed:
        error = BuildError("\n".join(answer["error"] for answer in failed))
        error.exit_code = max(answer["exit_code"] for answer in failed)
        raise error
    return {name: answer["report"] for name, answer in zip(boards, answers, strict=True)}


def _follow(
    arguments: str, workers: list[subprocess.Popen[bytes]], progress: Progress
) -> dict[str, Any]:
    """Run one build in a process, pass its progress on, and return its last line."""
    command = [sys.executable, "-P", "-m", __name__, arguments]
    answer: dict[str, Any] = {}
    with supervised(command, stderr=None) as worker:
        workers.append(worker)
        assert worker.stdout is not None
        for line in worker.stdout:
            answer = json.loads(line)
            if "progress" in answer:
                progress(answer["progress"])
        worker.wait()
    if not {"report", "error"} & answer.keys():
        return {"error": f"a build ended with code {worker.returncode}", "exit_code": 2}
    return answer


def _work(arguments: str) -> None:
    """What the process does: one build, told to the parent."""

    def tell(**line: Any) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not stop the clean-up
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    run, board, chosen = json.loads(arguments)
    options = BuildOptions(**chosen)
    try:
        report = build(Path(run), board, options, progress=lambda message: tell(progress=message))
        tell(report=report)
    except HtaflowError as error:
        tell(error=str(error), exit_code=error.exit_code)
    except BrokenPipeError:
        sys.exit(1)  # the parent is gone, and with it whoever wants to know
    except OSError as error:
        tell(error=f"{board}: {error}", exit_code=2)
    except KeyboardInterrupt:
        suppress_warnings()
        sys.exit(130)


if __name__ == "__main__":
    _work(sys.argv[1])

"""From a network to a board's bitstream."""

import json
from pathlib import Path
from typing import Any

from htaflow.flows.boards.board import load_board
from htaflow.flows.build.design import board_design
from htaflow.flows.build.job import Job
from htaflow.flows.build.options import BuildOptions
from htaflow.flows.build.route import packing, routing
from htaflow.flows.build.synth import synthesis
from htaflow.flows.tools.tools import find_tool
from htaflow.model.run_directory import Run
from htaflow.model.support.arguments import checked
from htaflow.model.support.files import digest
from htaflow.model.support.progress import Progress, silent

DEFAULT = BuildOptions()


@checked
def build(
    run: str | Path,
    board: str | Path,
    options: BuildOptions = DEFAULT,
    *,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Synthesise, place and route the network of ``run``, and write RUN/boards/NAME/.

    Args:
        run: the run directory.
        board: a board's name, or the path of a .toml file that describes one.
        options: what may be chosen.
        progress: called with a line of text now and then.

    Returns:
        What report.json holds. ``fmax_by_seed`` has every seed routed from the same inputs, in this
        call or an earlier one; ``failed_seeds`` says why others of this call were not.
        ``diagnostics`` has what the tools warned of: see :mod:`htaflow.flows.tools.diagnostics`.

    Raises:
        BadInputError: no valid network, an unknown board, layer or router, a clock that the board
            cannot make, no seeds.
        MissingToolError: Yosys or nextpnr is absent; the message names the remedy.
        DoesNotFitError: the network is too large for the board, cannot be routed, or is too slow
            for its clock. When it is too slow, report.json says by how much; there is no bitstream.
            If there was one before, it stays, and what is too slow is in RUN/boards/NAME.slow.
        UnsafeDesignError: a tool said something that means that the hardware may not work, such as
            a hold violation. RUN/boards/NAME.failed has its log, and a report.json that says what.
        ToolError: a tool failed in another way. The folder RUN/boards/NAME.failed keeps its log.

    Whatever is raised, the bitstream of an earlier build stays, with its report.

    A call while another builds the same for the same board waits for it. ``lock.json`` beside the
    report has what it takes to make the same files again, and their digests.
    """
    run = Path(run)
    here = Run(run)
    wanted = options.wanted
    target, router = options.on(load_board(str(board)))
    steps = (synthesis(target), routing(target, 0, router), packing(target))  # but for the seed
    versions = {step.tool: find_tool(step.tool).version for step in steps}
    verilog, interface = board_design(here.load_network(), target, options.pipeline, options.depth)
    inputs = digest(
        verilog,
        json.dumps(interface, sort_keys=True),
        *(step.digest for step in steps),
        repr(sorted(versions.items())),
    )
    job = Job(
        board=target,
        final=here.board(target.name),
        verilog=verilog,
        interface=interface,
        facts={
            "pipeline": None if options.pipeline is None else list(options.pipeline),
            "depth": interface["depth"],
            "router": router,
            "versions": {**interface["versions"], **versions},
            "inputs": inputs,
        },
        timeout=options.timeout,
        progress=progress,
    )

    report = job.stored(wanted)
    if report is not None and not job.work.exists():
        progress(f"build {target.name}: unchanged")
        return job.met(report)
    with job.alone():  # also clears what a killed build left
        report = job.stored(wanted) or job.make(wanted)  # another may have made it just now
    progress(f"build {target.name}: done in {job.seconds:.0f} s")
    return job.met(report)

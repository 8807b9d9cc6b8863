"""``htaflow bisect``: where two stations part, and a waveform of that moment alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from htaflow.flows.boards.board import load_board
from htaflow.flows.build.synth import NETLIST_VERILOG
from htaflow.flows.fault_location import SuspectNeuron, blame_bitstream, blame_netlist
from htaflow.flows.verify import chosen_levels, designs
from htaflow.model.integer import golden
from htaflow.model.integer.network import Network
from htaflow.model.run_directory import Run, read_result
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import HtaflowError, MismatchError
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import Object
from htaflow.sim.verify import DesignUnderTest, verify_design
from htaflow.sim.waveform import crop

Facts = dict[str, Any]


@checked
def bisect(
    run: str | Path,
    *,
    level: str = "rtl",
    boards: Sequence[str] = (),
    family: str | None = None,
    frames: int | None = None,
    seed: int = 0,
    timeout: float | None = None,
    progress: Progress = silent,
) -> Facts:
    """Return where the stations of ``run`` part: PyTorch, golden, Verilog, netlist, bitstream.

    Of a netlist or a bitstream a simulation tells the frame and the cycle, and the layer and the
    neuron are those that cannot be proved equal: see :mod:`htaflow.flows.fault_location`.

    Args:
        run: the run directory, with ``network.safetensors`` and ``rtl/``.
        level: how far to go: one of :data:`htaflow.flows.verify.LEVELS`, or ``all``.
        boards: whose bitstreams; by default those of all boards that were built.
        family: whose cells a netlist is made of; by default those of the boards.
        frames: how many frames of the test set, or random ones if there is none; None for all.
        seed: of the random stalls, and of random frames.
        timeout: seconds that each tool and each simulation may take, as for ``verify``.
        progress: is told what is being done.

    Returns:
        ``compared``: pairs of ``stations``, with the ``answer`` in words, as far as the first that
        part. ``parting``: None if nothing differs; else ``test``, ``frame``, ``layer``, ``neuron``,
        ``step``, ``cycle``, ``expected``, ``got`` and ``time_ns``, as far as there is a layer to
        blame; of a netlist or a bitstream that is what left it, and ``blamed`` says in words where
        it is not what it was made from, if that shows. ``waveform``: a VCD file of what happens
        around that time, or None.

    Raises:
        BadInputError: the run lacks something, or its hardware belongs to another network.
        MissingToolError: there is no simulator.
        ToolError: a tool failed.
        SimulationError: the simulation crashed or hung.
    """
    run = Path(run)
    here = Run(run)
    network = here.load_network()
    wanted = [name for name in chosen_levels(level) if name != "rtl"]
    names = list(boards) or here.boards
    compared = [_trained(here, network)]
    for design in designs(here, network, ["rtl", *wanted], names, family, progress, timeout):
        stations = f"golden and {design.level}"
        waveform = design.folder / "mismatch.vcd"
        result = _verified(here, network, design, frames, seed, timeout, progress)
        if not result["problems"]:
            waveform.unlink(missing_ok=True)
            answer = f"no difference in {result['frames']} frames and their cycles"
            compared.append({"stations": stations, "answer": answer})
            continue
        compared.append({"stations": stations, "answer": f"they part: {result['problems'][0]}"})
        first = dict(result["first_mismatch"])
        first["blamed"] = None
        if design.level != "rtl":
            progress(f"bisect: looking for what {design.level} has otherwise")
            first["blamed"] = _blamed(here, design, progress)
        if first.pop("waveform") is not None:
            progress("bisect: simulating once more, around that time")
            first["time_ns"] = crop(_replay(design), design.interface, first, waveform)
        else:
            waveform.unlink(missing_ok=True)
        shown = str(waveform) if waveform.exists() else None
        return {"compared": compared, "parting": first, "waveform": shown}
    return {"compared": compared, "parting": None, "waveform": None}


def _verified(
    run: Run,
    network: Network,
    design: DesignUnderTest,
    frames: int | None,
    seed: int,
    timeout: float | None,
    progress: Progress,
) -> Mapping[str, Any]:
    """Return what verification found, with a replay of the fault if there is one."""
    for attempt in range(2):
        try:
            return verify_design(
                run.path,
                network,
                design,
                frames=frames,
                seed=seed,
                again=bool(attempt),  # what locating the fault left is gone
                timeout=timeout,
                progress=progress,
            )
        except MismatchError:
            if attempt or _replay(design).is_dir():
                break
    return read_result(run.verify(design.level), Object) or {}


def _replay(design: DesignUnderTest) -> Path:
    """Where the fault was simulated again, alone."""
    return design.folder / "replay"


def _blamed(run: Run, design: DesignUnderTest, progress: Progress) -> str | None:
    """Return in words where a netlist or a bitstream is not what it was made from, if it shows."""
    try:
        found = _blame(run, design, progress)
    except (HtaflowError, OSError) as error:  # what was found already matters more
        progress(f"bisect: no neuron can be named: {error}")
        return None
    if found is None:
        progress(f"bisect: {design.level} is what it was made from: the fault is before it")
        return None
    return str(found)


def _blame(run: Run, design: DesignUnderTest, progress: Progress) -> SuspectNeuron | None:
    level, _, name = design.level.partition("-")
    if level == "bitstream":
        folder = run.board(name)
        bitstream = folder / str((read_result(run.board_report(name), Object) or {})["bitstream"])
        board = load_board(name)
        made_from = folder / NETLIST_VERILOG
        return blame_bitstream(bitstream, made_from, board, design.interface, design.folder)
    netlist = (design.folder / NETLIST_VERILOG).read_text()
    return blame_netlist(run.verilog.read_text(), netlist, name, design.interface, progress)


def _trained(run: Run, network: Network) -> Facts:
    """Say what is known of PyTorch and golden; training compared them, layer by layer."""
    stations = "PyTorch and golden"
    trained = read_result(run.train, Object)
    if trained is None or trained.get("network") != network.digest:
        return {"stations": stations, "answer": "not compared: the network was not trained here"}
    then = trained["accuracy"]["golden"]
    test = run.load_test(network)
    if test is None or "class" not in network.outputs:
        return {"stations": stations, "answer": "no difference when it was trained"}
    decided = golden.run(network, test[0])["class"][:, 0]
    now = float(np.mean(decided == test[1]))
    answer = f"no difference in {trained['test_frames']} frames when it was trained"
    if now != then:
        answer += f"; golden's accuracy is {100 * now:.2f} % now, it was {100 * then:.2f} %"
    return {"stations": stations, "answer": answer}

"""``htaflow bisect``: where two stations part, and a waveform of that moment alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from htaflow.flows.rundir import Run, read_result
from htaflow.model import golden
from htaflow.model.errors import MismatchError
from htaflow.model.network import Network
from htaflow.model.progress import Progress, silent
from htaflow.sim.crop import crop
from htaflow.sim.verify import verify

Facts = dict[str, Any]


def bisect(
    run: Path,
    *,
    frames: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Facts:
    """Return where the stations of ``run`` part: PyTorch and golden, golden and hardware.

    Args:
        run: the run directory, with ``network.safetensors`` and ``rtl/``.
        frames: how many frames of the test set, or random ones if there is none; None for all.
        seed: of the random stalls, and of random frames.
        progress: is told what is being done.

    Returns:
        ``compared``: pairs of ``stations``, with the ``answer`` in words. ``parting``: None if
        nothing differs; else ``test``, ``frame``, ``layer``, ``neuron``, ``step``, ``cycle``,
        ``expected``, ``got`` and ``time_ns``, as far as there is a layer to blame. ``waveform``:
        a VCD file with the streams and the layer around that time, or None.

    Raises:
        BadInputError: the run lacks something, or its hardware belongs to another network.
        MissingToolError: there is no simulator.
        SimulationError: the simulation crashed or hung.
    """
    here = Run(run)
    network = here.load_network()
    compared = [_trained(here, network)]
    stations = "golden and rtl"
    waveform = here.path / "verify" / "mismatch.vcd"
    result: Facts | None = None
    for _ in range(2):
        try:
            result = verify(run, frames=frames, seed=seed, progress=progress)
        except MismatchError:
            result = read_result(here.verify()) or {}
            if _replay(here).is_dir():
                break
            # What locating the fault left is gone: do it again.
            here.verify().unlink()
        else:
            waveform.unlink(missing_ok=True)
            answer = f"no difference in {result['frames']} frames and their cycles"
            compared.append({"stations": stations, "answer": answer})
            return {"compared": compared, "parting": None, "waveform": None}
    assert result is not None
    compared.append({"stations": stations, "answer": f"they part: {result['problems'][0]}"})
    first = dict(result["first_mismatch"])
    if first["waveform"] is not None:
        progress("bisect: simulating once more, around that time")
        interface = json.loads(here.interface.read_text(encoding="utf-8"))
        first["time_ns"] = crop(_replay(here), interface, first, waveform)
    else:
        waveform.unlink(missing_ok=True)
    del first["waveform"]
    shown = str(waveform) if waveform.exists() else None
    return {"compared": compared, "parting": first, "waveform": shown}


def _replay(run: Run) -> Path:
    """Where the fault was simulated again, alone."""
    return run.path / "verify" / "replay"


def _trained(run: Run, network: Network) -> Facts:
    """Say what is known of PyTorch and golden; training compared them, layer by layer."""
    stations = "PyTorch and golden"
    trained = read_result(run.train)
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

"""What the hardware of a run says about some frames, as simulated: not what it should say."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from htaflow.hw.stream.layout import OutputLayout
from htaflow.model.integer import golden
from htaflow.model.integer.network import IntArray, Network
from htaflow.model.support.errors import MismatchError
from htaflow.sim.runner import Simulator, run_bench
from htaflow.sim.verify import make_bench, read_interface


def observe(
    run: Path,
    network: Network,
    frames: IntArray,
    simulator: Simulator = "icarus",
    timeout: float | None = None,
) -> dict[str, IntArray]:
    """Simulate the hardware of ``run`` on ``frames`` and return its results.

    Args:
        run: the run directory, with ``rtl/``.
        network: the run's network.
        frames: integers ``[N, features]``, at least one.
        simulator: which one to use.
        timeout: seconds that it may take; by default any time while it makes progress.

    Returns:
        The network's outputs by name, each ``[N, *shape]``, as the hardware gave them.

    Raises:
        BadInputError: the run lacks something, its hardware belongs to another network, or the
            frames do not fit it.
        MissingToolError: there is no simulator.
        SimulationError: the simulation crashed or hung.
        MismatchError: the hardware differs from golden.
    """
    interface = read_interface(run, network)
    checked = golden.check_frames(network, frames)
    bench = make_bench(run, network, interface, checked, len(frames), 0, simulator)
    bench = replace(bench, tests=("full_rate",), kept_words=len(frames), timeout=timeout)
    with tempfile.TemporaryDirectory(prefix="htaflow-") as name:
        bench.write(Path(name))
        phase = run_bench(Path(name))["full_rate"]
    if phase["problems"]:
        raise MismatchError(
            f"{run}: hardware and golden differ ({phase['problems'][0]}); "
            f"'htaflow verify {run}' says where"
        )
    outputs = OutputLayout(network.outputs)
    words = [int(word, 16).to_bytes(outputs.width // 8, "little") for word in phase["words"]]
    return outputs.unpack(np.frombuffer(b"".join(words), np.uint8).reshape(len(words), -1))

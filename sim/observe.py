"""What the hardware of a run says about some frames, as simulated: not what it should say."""

import tempfile
from pathlib import Path

import numpy as np

from htaflow.hw.layout import layouts
from htaflow.model import golden
from htaflow.model.errors import MismatchError
from htaflow.model.netfile import load_network
from htaflow.model.network import IntArray
from htaflow.sim.runner import Bench, Simulator, run_bench
from htaflow.sim.verify import read_interface


def observe(run: Path, frames: IntArray, simulator: Simulator = "icarus") -> dict[str, IntArray]:
    """Simulate the hardware of ``run`` on ``frames`` and return its results.

    Args:
        run: the run directory, with ``network.safetensors`` and ``rtl/``.
        frames: integers ``[N, features]``, at least one.
        simulator: which one to use.

    Returns:
        The network's outputs by name, each ``[N, *shape]``, as the hardware gave them.

    Raises:
        BadInputError: the run lacks something, its hardware belongs to another network, or the
            frames do not fit it.
        MissingToolError: there is no simulator.
        SimulationError: the simulation crashed or hung.
        MismatchError: the hardware differs from golden.
    """
    network = load_network(run / "network.safetensors")
    interface = read_interface(run, network)
    inputs, outputs = layouts(network, interface["bus_bits"])
    expected = outputs.pack(golden.run(network, frames))
    bench = Bench(
        interface,
        ((run / "rtl" / "top.v").resolve(),),
        inputs.pack(golden.check_frames(network, frames)),
        expected,
        tests=("full_rate",),
        simulator=simulator,
        kept_words=len(frames),
    )
    with tempfile.TemporaryDirectory(prefix="htaflow-") as name:
        bench.write(Path(name))
        phase = run_bench(Path(name))["full_rate"]
    if phase["problems"]:
        raise MismatchError(
            f"{run}: hardware and golden differ ({phase['problems'][0]}); "
            f"'htaflow verify {run}' says where"
        )
    words = [int(word, 16).to_bytes(outputs.width // 8, "little") for word in phase["words"]]
    return outputs.unpack(np.frombuffer(b"".join(words), np.uint8).reshape(len(words), -1))

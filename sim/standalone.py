"""Run the bench in this folder: ``python run.py``. Needs cocotb, NumPy and the simulator.

Reads ``bench.json`` (sources, simulator, tests), compiles into ``build/`` or, where that will not
do, into a folder for temporary files, runs ``bench/`` and leaves ``result.json`` and
``results.xml``. Exit code 0: all passed; 1: a test failed; anything else: the simulation did not
come to an end.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.workplace import Workplace  # type: ignore[import-not-found]  # beside this file

HERE = Path(__file__).resolve().parent

_TELL_SECONDS = 10

_STREAM_PORTS = ("clk", "rst", "s_axis_*", "m_axis_*")
_SERIAL_PORTS = ("clk", "reset", "rx", "tx")
"""What the bench looks at and drives."""


def main() -> int:
    """Compile, simulate, and return the number that the process exits with."""
    options = json.loads((HERE / "bench.json").read_text())
    for name in ("result.json", "results.xml"):
        (HERE / name).unlink(missing_ok=True)
    os.environ.pop("PYTEST_CURRENT_TEST", None)  # cocotb's runner behaves otherwise when it is set
    sys.path.insert(0, str(HERE))
    if options.get("vcd"):  # one of the sources says what to dump: cocotb would suppress that
        os.environ["SIM_CMD_SUFFIX"] = "-vcd"
    from bench.workplace import workplace
    from cocotb_tools import config

    compiled = options["simulator"] == "verilator"
    sources = [(HERE / source).resolve() for source in options["sources"]]
    tools = (Path(sys.prefix), config.libs_dir, config.share_dir) if compiled else ()
    try:
        with workplace(HERE, [*sources, *tools], executes=compiled) as place:
            config.libs_dir, config.share_dir = map(place.name, (config.libs_dir, config.share_dir))
            return simulate(options, sources, place)
    except (LookupError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def simulate(options: dict[str, Any], sources: list[Path], place: "Workplace") -> int:
    """Compile in ``place``, simulate, and return the number that the process exits with."""
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    waves = bool(options["waves"])
    build_args, plusargs = list(options["build_args"]), []
    if options["simulator"] == "verilator":
        from bench import verilator  # type: ignore[import-not-found]

        os.environ.update(verilator.find(place.name)[1])
        plusargs += verilator.plusargs(options["seed"])
        build_args += verilator.BUILD_ARGS
        if options["probe"] is None:
            serial = options["port"] == "serial"
            ports: tuple[str, ...] = _SERIAL_PORTS if serial else _STREAM_PORTS
            ports += tuple(options["interface"].get("serial", {}).get("constants", {}))
            if not serial and "dropped_cycles" in options["interface"]:
                ports += ("dropped",)
            control = HERE / "ports.vlt"
            control.write_text(verilator.control_file(options["toplevel"], ports))
            build_args += verilator.PORTS_ONLY
            sources.insert(0, control)
    elif waves:
        plusargs.append(f"+dumpfile_path={options['waves']}")
    runner = get_runner(options["simulator"])
    try:
        with telling_of_compiling(options["simulator"]):
            runner.build(
                sources=[place.copy(source) for source in sources],
                hdl_toplevel=options["toplevel"],
                build_dir=place.build,
                build_args=build_args,
                timescale=("1ns", "1ps"),
                waves=waves,
                always=True,
            )
    except RuntimeError as error:  # the compiler's own words stand above
        sys.stderr.write(f"the Verilog does not compile ({error})\n")
        return 2
    print("phase: simulating", flush=True)  # noqa: T201
    results = runner.test(
        test_module=f"bench.{options['port']}",
        hdl_toplevel=options["toplevel"],
        hdl_toplevel_lang="verilog",
        testcase=options["tests"],
        seed=options["seed"],
        build_dir=place.build,
        test_dir=HERE,
        results_xml=str(HERE / "results.xml"),
        plusargs=plusargs,
        waves=waves,
    )
    if waves and options["simulator"] == "verilator":
        (HERE / verilator.WAVEFORM).replace(HERE / options["waves"])
    ran, failed = get_results(results)
    if ran != len(options["tests"]):
        sys.stderr.write(f"{ran} tests ran instead of {len(options['tests'])}\n")
        return 2
    return 1 if failed else 0


@contextmanager
def telling_of_compiling(simulator: str) -> Iterator[None]:
    """Print every few seconds for how long the block has been compiling: compilers are silent."""
    begun, done = time.monotonic(), Event()

    def tell() -> None:
        while not done.wait(_TELL_SECONDS):
            seconds = time.monotonic() - begun
            print(f"progress: {simulator} compiles, {seconds:.0f} s", flush=True)  # noqa: T201

    print("phase: compiling", flush=True)  # noqa: T201
    thread = Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())

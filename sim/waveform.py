"""A waveform of one moment: a few cycles, the streams, and the layer in which it went wrong."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from htaflow.model.support.files import write_atomic, write_json
from htaflow.sim.runner import run_bench

PERIOD_NS = 10.0
BEFORE, AFTER = 24, 6
"""Cycles shown before and after the moment; before, at least as many as the latency."""

_FIRST_SAMPLE_NS = {"stream": 30.0, "serial": 6010.0}
"""When cycle 0 of a bench's first run is, by port: after reset."""

_DUMP = "crop"
_MODULE = """\
`timescale 1ns/1ps
module {name}();
  initial begin
    $dumpfile("{file}");
    #({start});
{scopes}
    #({length});
    $dumpoff;
  end
endmodule
"""


def crop(
    replay: Path, interface: Mapping[str, Any], where: Mapping[str, Any], waveform: Path
) -> float | None:
    """Simulate ``replay`` again and keep a VCD of the moment that ``where`` is about.

    Args:
        replay: the folder in which :func:`htaflow.sim.locate.locate` simulated the fault alone.
        interface: the design's ``rtl/top.json``.
        where: what ``locate`` returned.
        waveform: the file to write; GTKWave and others open it.

    Returns:
        The moment's time in it, in ns; None if the fault is not at one moment (a cycle that was
        predicted wrongly): then the waveform has the first frames.
    """
    options = json.loads((replay / "bench.json").read_text())
    moment: float | None = where["time_ns"]
    if moment is None:
        moment = _moment(replay, options, where)
    before, after = BEFORE, AFTER
    if options["port"] == "serial":  # from the request to the end of its reply
        before = interface["serial"]["latency_cycles"]
        after = 10 * interface["serial"]["cycles_a_bit"] * (interface["output_bits"] // 8 + 6)
    before = max(before, interface["latency_cycles"] + 2)
    start = max(0.0, (moment or 0.0) - before * PERIOD_NS)
    length = (moment or before * PERIOD_NS) - start + after * PERIOD_NS
    sources = [(replay / source).resolve() for source in options["sources"]]
    texts = [source.read_text(encoding="utf-8") for source in sources]
    scopes = _scopes(options.get("toplevel", "top"), interface, where["layer"], texts)
    found = replay / waveform.name
    found.unlink(missing_ok=True)
    write_atomic(
        replay / f"{_DUMP}.v",
        _MODULE.format(
            name=_DUMP,
            file=waveform.name,
            start=f"{start:.0f}",
            length=f"{length:.0f}",
            scopes="\n".join(f"    $dumpvars(1, {scope});" for scope in scopes),
        ),
    )
    more = {
        "sources": [*options["sources"], f"{_DUMP}.v"],
        "build_args": [*options["build_args"], "-s", _DUMP],
        "waves": None,
        "vcd": True,
    }
    here = Path(__file__).resolve().parent
    write_atomic(replay / "run.py", (here / "standalone.py").read_bytes())
    write_json(replay / "bench.json", options | more)
    try:
        run_bench(replay)
    finally:
        write_json(replay / "bench.json", options)
    found.replace(waveform)
    # A word that never came is missed when the simulation ends.
    return None if moment is None else min(moment, _last_ns(waveform))


def _moment(replay: Path, options: Mapping[str, Any], where: Mapping[str, Any]) -> float | None:
    """Return when the first wrong word came, if the test was a single run after one reset."""
    test, cycle = where["test"], where["cycle"]
    if cycle is None or test not in ("full_rate", "stalled"):
        return None
    if test == "full_rate":  # simulated again from a later frame on
        first = json.loads((replay / "result.json").read_text())[test]["first"]
        cycle = cycle if first is None else first["cycle"]
    return float(_FIRST_SAMPLE_NS[options["port"]] + PERIOD_NS * cycle)


def _last_ns(waveform: Path) -> float:
    """Return the last time in a VCD whose unit is 1 ps."""
    stamps = re.findall(r"^#(\d+)$", waveform.read_text(), re.MULTILINE)
    return int(stamps[-1]) / 1000


def _scopes(
    top: str, interface: Mapping[str, Any], layer: str | None, texts: list[str]
) -> Iterator[str]:
    """Yield the scopes whose own signals are shown: the streams, and the layer's logic."""
    yield top
    if top != "top" or not any("module top_core(" in text for text in texts):
        return
    yield f"{top}.core"
    for stage in interface["stages"]:
        if stage["name"] != layer:
            continue
        scope = f"{top}.{stage['probe'].rsplit('.', 1)[0]}"
        yield scope
        # The layer's logic: text that stands in a chain, or a submodule "body".
        pattern = rf"^  (\w+) \1\(.*\.y\({layer}__(?:output|part\d+)__payload\)\);$"
        for text in texts:
            for instance in re.finditer(pattern, text, re.MULTILINE):
                yield f"{scope}.{instance[1]}"

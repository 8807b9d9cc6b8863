"""Tools that are not there: one program stands in for Yosys, nextpnr and the packers.

Fixtures for the tests of builds; ``pytest_plugins = ["fake_tools"]`` brings them.
"""

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from htaflow.model.integer.file import save_network
from htaflow.model.integer.network import ArgMax, Dense, Encode, Network

# One program that stands in for every tool. It records how it was called, and MODE says what is
# wrong with it: "TOOL:FAULT".
FAKE = r"""
import json, os, sys, time
tool, arguments = sys.argv[1], sys.argv[2:]
version = os.environ.get("FAKE_VERSION", "0.99")
if "--version" in arguments:
    print("Version", version)
    sys.exit()
with open(os.environ["FAKE_CALLS"], "a") as file:
    file.write(json.dumps([tool, *arguments]) + "\n")
broken, _, fault = os.environ.get("FAKE_MODE", ":").partition(":")
fault = fault if broken == tool else ""
if fault == "crash":
    print("ERROR: something is wrong")
    sys.exit(1)
if fault == "hang":
    time.sleep(60)
if fault == "killed":
    os.kill(os.getpid(), 9)
if fault == "flood":
    while True:
        print("x" * 1000)
if fault == "nothing":
    sys.exit()
time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))

def after(option):
    return arguments[arguments.index(option) + 1]

def write(name, text):
    whole, _, what = fault.partition(" of ")
    if whole == "half" and what == name:
        text = text[: len(text) // 2]
    if fault == "nonsense" and name.endswith(("cells.json", "nextpnr.json")):
        text = os.environ.get("FAKE_NONSENSE", "nonsense")
    open(name, "w", encoding="latin-1", newline="\n").write(text)

said = json.loads(os.environ.get("FAKE_SAYS", "{}")).get(tool, "")
if tool == "yosys":
    if "-L" in arguments:  # where the real one says what it says after ABC
        write(after("-L"), said)
    write("netlist.json", '{\n  "modules": {\n  }\n}\n')
    write("netlist.v", f"/* Yosys {version} */\nmodule board;\nendmodule\n")
    write("cells.json", json.dumps({"design": {"num_cells_by_type": {"SB_CARRY": 7}}}))
elif tool.startswith("nextpnr"):
    used = 6000 if fault == "large" else 400
    print("Info: constraining clock net 'clk' to 12.00 MHz")
    print(said)
    print("Info:      100 LCs used as LUT4 only\nInfo:      200 LCs used as LUT4 and DFF")
    print("Info:       50 LCs used as DFF only\n\nInfo: Device utilisation:")
    print(f"Info: \t         ICESTORM_LC:    {used}/   5280    44%")
    if fault == "large":
        print("ERROR: Unable to place cell 'x', no BELs remaining to implement 'ICESTORM_LC'")
        sys.exit(125)
    if fault == "unroutable":
        print("ERROR: Failed to route arc 3 of net 'y'")
        sys.exit(1)
    names = ("ICESTORM_LC", "ICESTORM_RAM", "SB_IO", "TRELLIS_COMB", "TRELLIS_FF", "DP16KD")
    utilization = {name: {"used": used, "available": 5280} for name in (*names, "TRELLIS_IO")}
    speeds = json.loads(os.environ.get("FAKE_SPEEDS", "{}"))
    speed = speeds.get(after("--seed"), 11.5 if fault == "slow" else 33.25)
    if speed is None:
        print("ERROR: Failed to route arc 3 of net 'y'")
        sys.exit(1)
    clock = "$glbnet$clk$TRELLIS_IO_IN" if "ecp5" in tool else "clk$SB_IO_IN_$glb_clk"
    clock = os.environ.get("FAKE_CLOCK", clock)
    fmax = {clock: {"achieved": speed, "constraint": 12}}
    paths = [{"from": "<async>", "to": "posedge " + clock}]
    report = {"fmax": fmax, "critical_paths": paths, "utilization": utilization}
    write(after("--report"), json.dumps(report))
    routed = os.environ.get("FAKE_ROUTED", "routed") + " with seed " + after("--seed")
    if "--asc" in arguments:
        write("top.asc", routed + "\n.sym 1 core\n")
    else:
        write(after("--textcfg"), routed + "\n\n")
    write(after("--placed-svg"), "<svg></svg>")
else:
    print(said)
    routed = open("top.asc" if tool == "icepack" else "top.config").read().splitlines()[0]
    end = "\x01\x06\x00" if tool == "icepack" else "\x5e\x00\x00\x00\xff\xff\xff\xff"
    write(arguments[-1], routed + end)
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run directory with a network small enough for a quick real build."""
    chance = np.random.default_rng(5)
    encode = Encode(
        "encode",
        features=6,
        feature_bits=4,
        signed=False,
        source=np.arange(6),
        threshold=chance.integers(1, 15, 6),
    )
    network = Network(
        "small",
        (
            encode,
            Dense("hidden", chance.choice([-1, 1], (8, 6)), thresholds=np.zeros(8, int)),
            Dense("classes", chance.choice([-1, 1], (3, 8))),
            ArgMax("best"),
        ),
    )
    folder = tmp_path / "run"
    save_network(network, folder / "network.safetensors")
    return folder


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put fake tools in place; the result sets what is wrong with them and tells their calls."""
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    calls = tmp_path / "calls"
    monkeypatch.setenv("FAKE_CALLS", str(calls))
    for name in ("yosys", "nextpnr-ice40", "nextpnr-ecp5", "icepack", "ecppack"):
        command = shlex.join([sys.executable, "-I", "-S", str(script), name])
        monkeypatch.setenv("HTAFLOW_" + name.upper().replace("-", "_"), command)

    class Fake:
        def break_(self, mode: str) -> None:
            monkeypatch.setenv("FAKE_MODE", mode)

        def say(self, tool: str, text: str) -> None:
            """Let a tool say something, and end well."""
            monkeypatch.setenv("FAKE_SAYS", json.dumps({tool: text}))

        def run_at(self, speeds: dict[int, float | None]) -> None:
            """Say which clock each seed reaches; ``None`` for one that cannot be routed."""
            monkeypatch.setenv("FAKE_SPEEDS", json.dumps(speeds))

        @property
        def routed(self) -> list[int]:
            """The seeds that have been routed, in order."""
            runs = (call for call in self.calls if call[0].startswith("nextpnr"))
            return [int(call[call.index("--seed") + 1]) for call in runs]

        @property
        def calls(self) -> list[list[str]]:
            return [json.loads(line) for line in calls.read_text().splitlines()]

    return Fake()

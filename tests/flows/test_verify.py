"""Levels below the generated Verilog: netlist and bitstream give golden's numbers, or say so."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from networks import random_network

from htaflow.flows.build.build import build
from htaflow.flows.convert import convert
from htaflow.flows.families import FAMILIES
from htaflow.flows.recovery.ice40.icebox import read_icebox
from htaflow.flows.recovery.levelized_verilog import to_ordered_verilog
from htaflow.flows.recovery.netlist_cells import netlist_of
from htaflow.flows.tools.cell_models import MODEL_OPTIONS, cell_models
from htaflow.flows.tools.yosys_json import YosysModule
from htaflow.flows.verify import verify
from htaflow.model.integer.file import save_network
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.sim.runner import run_bench


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with a small network, its Verilog, and a build for the iCEBreaker."""
    run = tmp_path_factory.mktemp("levels") / "run"
    save_network(random_network(np.random.default_rng(5)), run / "network.safetensors")
    convert(run)
    build(run, "icebreaker")
    return run


@pytest.fixture
def run(built: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, to be spoilt."""
    return Path(shutil.copytree(built, tmp_path / "run"))


def test_all_levels_agree_in_every_bit_and_cycle(built: Path) -> None:
    results = verify(built, level="all", frames=6)
    assert [result["level"] for result in results] == [
        "rtl",
        "netlist-ice40",
        "bitstream-icebreaker",
    ]
    for result in results:
        assert result["mismatches"] == result["rule_violations"] == 0
        assert result["frames"] == 6
        for cycles in (result["latency_cycles"], result["interval_cycles"]):
            assert cycles["measured"] == cycles["predicted"] > 0
    said: list[str] = []
    assert verify(built, level="all", frames=6, progress=said.append) == results
    assert sum("unchanged" in line for line in said) == 3


@pytest.mark.parametrize("family", ["ecp5", "gowin"])
def test_a_netlist_of_each_family_agrees(built: Path, family: str) -> None:
    (result,) = verify(built, level="netlist", family=family, frames=6)
    assert result["level"] == f"netlist-{family}"
    assert result["mismatches"] == 0
    assert (built / "verify" / f"netlist-{family}" / "ordered.v").is_file()


def test_wrong_tables_in_the_bitstream_are_found_at_its_level_alone(run: Path) -> None:
    verify(run, level="bitstream", frames=2)
    recovered = run / "verify" / "bitstream-icebreaker" / "recovered.v"
    text = recovered.read_text()
    tables = list(re.finditer(r"= 16'h([0-9a-f]+) >>", text))
    for table in reversed(tables[:: len(tables) // 8]):  # from the end, so that places stay right
        wrong = int(table[1], 16) ^ 0xFFFF
        text = text[: table.start(1)] + f"{wrong:x}" + text[table.end(1) :]
    recovered.write_text(text)
    with pytest.raises(MismatchError, match="differ at level bitstream-icebreaker"):
        verify(run, level="bitstream", frames=6)
    assert verify(run, level="rtl", frames=6)[0]["mismatches"] == 0


def test_a_wrong_prediction_of_a_board_is_found(run: Path) -> None:
    described = run / "boards" / "icebreaker" / "top.json"
    interface = json.loads(described.read_text())
    interface["serial"]["latency_cycles"] += 1
    described.write_text(json.dumps(interface))
    with pytest.raises(MismatchError, match=r"latency: predicted \d+ cycles, measured \d+"):
        verify(run, level="bitstream", frames=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": "silicon"}, "there is no level 'silicon'"),
        ({"level": "netlist", "family": "ecp6"}, "there is no family 'ecp6'; did you mean 'ecp5'"),
        ({"level": "bitstream", "boards": ["ulx3s-25f"]}, "there is no build for ulx3s-25f"),
        ({"level": "bitstream", "boards": ["icebraker"]}, "there is no board 'icebraker'"),
    ],
)
def test_what_is_not_there_is_named(built: Path, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        verify(built, **arguments)


def test_without_a_build_the_remedy_is_named(run: Path) -> None:
    shutil.rmtree(run / "boards")
    for level in ("bitstream", "all"):
        with pytest.raises(BadInputError, match="no board was built; run 'htaflow build"):
            verify(run, level=level)


def test_a_bitstream_that_is_not_the_reported_one_is_refused(run: Path) -> None:
    with (run / "boards" / "icebreaker" / "top.bin").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BadInputError, match="icebreaker has no complete bitstream"):
        verify(run, level="bitstream")


BENCH = """
module bench;
  integer step, seed;
  reg clk = 0;
  reg [{width}:0] x = 0;
  wire [{outputs}:0] a, b;
  {ports}
  initial begin
    seed = 1;
    for (step = 0; step < 4000; step = step + 1) begin
      x = {{$random(seed), $random(seed)}};
      #1;
      if (a !== b) begin $display("differ in step %0d: %h, %b %b", step, x, a, b); $finish; end
      clk = 1; #1;
      if (a !== b) begin $display("differ after step %0d: %h, %b %b", step, x, a, b); $finish; end
      clk = 0; #1;
    end
    $display("same");
    $finish;
  end
endmodule
"""

CELLS = {
    "ice40": [
        ("SB_LUT4", {"LUT_INIT": "16'h6ac1"}, ["I0", "I1", "I2", "I3"], ["O"]),
        ("SB_CARRY", {}, ["I0", "I1", "CI"], ["CO"]),
        *(
            (f"SB_DFF{n}{e}{r}", {}, ["D", *(["E"] if e else []), *([r[-1]] if r else [])], ["Q"])
            for n in ("", "N")
            for e in ("", "E")
            for r in ("", "SR", "SS", "R")
        ),
    ],
    "ecp5": [
        ("LUT4", {"INIT": "16'h6ac1"}, ["A", "B", "C", "D"], ["Z"]),
        ("PFUMX", {}, ["ALUT", "BLUT", "C0"], ["Z"]),
        ("L6MUX21", {}, ["D0", "D1", "SD"], ["Z"]),
        *(
            (
                "CCU2C",
                {"INIT0": "16'h9a3c", "INIT1": "16'h6ac1", "INJECT1_0": a, "INJECT1_1": b},
                ["CIN", *(f"{pin}{half}" for half in "01" for pin in "ABCD")],
                ["S0", "S1", "COUT"],
            )
            for a in ('"YES"', '"NO"')
            for b in ('"YES"', '"NO"')
        ),
        *(
            (
                "TRELLIS_FF",
                {"CEMUX": e, "LSRMUX": m, "REGSET": s, "SRMODE": r, "CLKMUX": k},
                ["DI", "CE", "LSR"],
                ["Q"],
            )
            for e in ('"CE"', '"INV"', '"1"')
            for m, k in (('"LSR"', '"CLK"'), ('"INV"', '"INV"'))
            for s in ('"SET"', '"RESET"')
            for r in ('"LSR_OVER_CE"', '"ASYNC"')
        ),
    ],
    "gowin": [
        *(
            (f"LUT{k}", {"INIT": f"{1 << k}'h{0x6AC1 % (1 << (1 << k)):x}"}, pins[:k], ["F"])
            for k, pins in ((k, ["I0", "I1", "I2", "I3"]) for k in range(1, 5))
        ),
        ("MUX2_LUT5", {}, ["I0", "I1", "S0"], ["O"]),
        ("MUX2_LUT8", {}, ["I0", "I1", "S0"], ["O"]),
        *(
            (f"DFF{n}{r}{e}", {}, ["D", *(["CE"] if e else []), *([pin] if pin else [])], ["Q"])
            for n in ("", "N")
            for r, pin in (
                ("", ""),
                ("R", "RESET"),
                ("S", "SET"),
                ("C", "CLEAR"),
                ("P", "PRESET"),
            )
            for e in ("", "E")
        ),
    ],
}
CLOCKS = {"ice40": "C", "ecp5": "CLK", "gowin": "CLK"}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cell_here_does_what_it_does_in_yosyss_models(tmp_path: Path, family: str) -> None:
    ports, modules, outputs, width = [], [], 0, 0
    for number, (kind, parameters, inputs, results) in enumerate(CELLS[family]):
        clocked = bool(set(results) & {"Q"})
        settings = ", ".join(f".{name}({value})" for name, value in parameters.items())
        wires = [f".{pin}(x[{index}])" for index, pin in enumerate(inputs)]
        wires += [f".{CLOCKS[family]}(clk)"] if clocked else []
        above = [f".{pin}(a[{outputs + index}])" for index, pin in enumerate(results)]
        ports.append(
            f"{kind} #({settings}) c{number}({', '.join(wires + above)});".replace("#()", "")
        )
        cell = {
            "type": kind,
            "parameters": {
                name: f"{int(value.split('h')[1], 16):016b}" if "'h" in value else value.strip('"')
                for name, value in parameters.items()
            },
            "connections": {pin: [2 + index] for index, pin in enumerate(inputs)}
            | {pin: [100 + index] for index, pin in enumerate(results)}
            | ({CLOCKS[family]: [99]} if clocked else {}),
        }
        module = {
            "ports": {
                "clk": {"direction": "input", "bits": [99]},
                "x": {"direction": "input", "bits": list(range(2, 2 + len(inputs)))},
                "y": {"direction": "output", "bits": [100 + i for i in range(len(results))]},
            },
            "cells": {"cell": cell},
        }
        netlist = netlist_of(YosysModule.of({"modules": {f"m{number}": module}}, f"m{number}"))
        modules.append(to_ordered_verilog(netlist, f"m{number}"))
        span = f"{outputs + len(results) - 1}:{outputs}"
        ports.append(f"m{number} d{number}(.clk(clk), .x(x[{len(inputs) - 1}:0]), .y(b[{span}]));")
        outputs += len(results)
        width = max(width, len(inputs))
    bench = BENCH.format(width=max(width, 8), outputs=outputs - 1, ports="\n  ".join(ports))
    (tmp_path / "bench.v").write_text(bench + "\n".join(modules))
    (tmp_path / "cells.v").write_text(cell_models(family))
    command = ["iverilog", "-g2012", *MODEL_OPTIONS, "-s", "bench", "-o", "bench.vvp"]
    subprocess.run([*command, "bench.v", "cells.v"], cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "bench.vvp"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip().endswith("same"), done.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SB_RAM40_4K #(", "uses an SB_RAM40_4K, which cannot be read"),
        ("latch l(n1, n2);", "wrote what is not understood: latch l"),
        ("assign n5 = (n1 ? n2 n3);", "wrote 'n3' instead of ':'"),
        ("assign n5 = n1 ^ n2;", "an expression not understood"),
        ("assign n5 = n1 n2;", "goes on with n2"),
    ],
)
def test_what_icebox_vlog_should_not_write_is_refused(line: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read_icebox(["module chip (input n1, output n9);", line, "endmodule"])


def test_two_drivers_of_a_net_in_a_bitstream_are_refused() -> None:
    head = "module chip (input n1, output tx);"
    for lines in (
        ["assign tx = n1;", "assign tx = 1'b0;"],
        ["assign n1 = 1'b0;"],
        ["assign tx = n1;", "always @(posedge n1) if (1'b1) tx <= 1'b0 ? 1'b0 : n1;"],
    ):
        with pytest.raises(BadInputError, match="has two drivers"):
            read_icebox([head, *lines, "endmodule"])


def test_a_loop_and_a_net_without_a_driver_are_refused() -> None:
    head = "module chip (input rx, output tx);"
    loop = ["assign n1 = n2 & rx;", "assign n2 = n1 | rx;", "assign tx = n1;"]
    with pytest.raises(BadInputError, match="is a loop"):
        read_icebox([head, *loop, "endmodule"]).simplified()
    with pytest.raises(BadInputError, match="N9 is read, and nothing drives it"):
        read_icebox([head, "wire n9;", "assign tx = n9;", "endmodule"]).simplified()


def test_an_operator_that_is_not_known_is_not_skipped() -> None:
    with pytest.raises(BadInputError, match=r"not understood: +~rx"):
        read_icebox(["module chip (input rx, output tx);", "assign tx = ~rx;", "endmodule"])


def test_a_reply_that_is_too_short_is_no_right_reply(run: Path) -> None:
    """The bench expects a byte more than the board sends."""
    folder = run / "verify" / "bitstream-icebreaker"
    verify(run, level="bitstream", frames=2)
    with np.load(folder / "frames.npz") as arrays:
        beats, expected = arrays["beats"], arrays["expected"]
    np.savez(folder / "frames.npz", beats=beats, expected=np.pad(expected, ((0, 0), (0, 1))))
    options = json.loads((folder / "bench.json").read_text())
    (folder / "bench.json").write_text(json.dumps({**options, "tests": ["full_rate"]}))
    phase = run_bench(folder)["full_rate"]
    assert phase["mismatches"] == 2
    assert any("bytes, not" in line for line in phase["violations"])

"""Builds a design for a board, and simulates two designs with the same inputs in every cycle."""

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from htaflow.flows.boards.board import Board
from htaflow.flows.build.route import packing, routing
from htaflow.flows.build.synth import synthesis

_TIMEOUT = 300.0

_BENCH = """\
module side_by_side;
  reg clk = 0;
  reg [{inputs}-1:0] in = 0, given [0:{cycles}-1];
  wire [{outputs}-1:0] first, second;
  integer i, different = 0, changes = 0;
  reg [{outputs}-1:0] before;
  board one ({first});
  recovered two ({second});
  task compare;
    begin
      if (first !== second) begin
        different = different + 1;
        if (different == 1) $display("cycle %0d: %b, recovered %b", i, first, second);
      end
      if (first !== before) changes = changes + 1;
      before = first;
    end
  endtask
  initial begin
    $readmemb("given.mem", given);
    for (i = 0; i < {cycles}; i = i + 1) begin
      in = given[i];
      #5 compare; clk = 1;
      #5 compare; clk = 0;
    end
    $display("different %0d changes %0d", different, changes);
    $finish;
  end
endmodule
"""


def build_bitstream(folder: Path, verilog: str, board: Board) -> Path:
    """Return the bitstream of ``verilog``, whose module ``board`` has the board's pins."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "board.v").write_text(verilog)
    for step in (synthesis(board), routing(board, 1), packing(board)):
        step.run(folder, _TIMEOUT)
    return folder / "top.bit"


def differences(
    folder: Path,
    verilog: str,
    recovered: str,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    given: Iterable[Sequence[int]],
) -> int:
    """Return at how many edges of ``clk`` the two designs' outputs differ.

    ``given`` has the values of ``inputs`` for each cycle. Fails if the first design does nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["".join(map(str, values)) for values in given]
    (folder / "given.mem").write_text("\n".join(lines))

    def ports(wires: str) -> str:
        pairs = [(name, f"in[{len(inputs) - 1 - i}]") for i, name in enumerate(inputs)]
        pairs += [(name, f"{wires}[{i}]") for i, name in enumerate(outputs)]
        return ", ".join(f".{name}({wire})" for name, wire in [("clk", "clk"), *pairs])

    bench = _BENCH.format(
        inputs=len(inputs),
        outputs=len(outputs),
        cycles=len(lines),
        first=ports("first"),
        second=ports("second"),
    )
    (folder / "bench.v").write_text(bench)
    (folder / "first.v").write_text(verilog)
    (folder / "second.v").write_text(recovered.replace("module board(", "module recovered("))
    sources = ["bench.v", "first.v", "second.v"]
    compiled = ["iverilog", "-g2005", "-s", "side_by_side", "-o", "bench.vvp", *sources]
    subprocess.run(compiled, cwd=folder, check=True)
    said = subprocess.run(
        ["vvp", "bench.vvp"], cwd=folder, check=True, capture_output=True, text=True, timeout=300
    ).stdout
    words = said.split()
    different, changes = int(words[-3]), int(words[-1])
    assert changes > 10, said
    return different

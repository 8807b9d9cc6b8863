"""A small hand-written design with the ports of every htaflow top: what the bench is tested on.

It owes nothing to the code that it helps to test. A frame is ``BEATS`` beats of 8 bits; the
answer is 16 bits: the sum of the beats in bits 7:0, their exclusive or in bits 15:8.
"""

from pathlib import Path
from typing import Any

import numpy as np

from htaflow.sim.runner import Bench, Bytes

VERILOG = """\
module top (
  input wire clk, input wire rst,
  input wire [7:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready,
  input wire s_axis_tlast, input wire s_axis_tuser,
  output wire [15:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready,
  output wire m_axis_tlast, output reg dropped
);
  localparam BEATS = 1;
  wire [15:0] middle; wire middle_valid, middle_ready;
  wire [15:0] last; wire last_full, last_ready;
  wire last_valid = last_full & ~rst;
  wire ready;
  assign s_axis_tready = ready & ~rst;
  reg [7:0] count = 0; reg long = 0; reg [15:0] partial = 0;
  wire taken = s_axis_tvalid & s_axis_tready;
  wire [15:0] next = {partial[15:8] ^ s_axis_tdata, partial[7:0] + s_axis_tdata};
  wire good = s_axis_tlast & ~s_axis_tuser & ~long & (count == BEATS - 1);
  always @(posedge clk)
    if (rst) begin count <= 0; long <= 0; partial <= 0; end
    else if (taken & s_axis_tlast) begin count <= 0; long <= 0; partial <= 0; end
    else if (taken) begin
      if (count == BEATS - 1) long <= 1; else count <= count + 1;
      partial <= next;
    end

  stage first (.clk(clk), .rst(rst), .input__payload(next), .input__valid(taken & good),
    .input__ready(ready), .output__payload(middle), .output__valid(middle_valid),
    .output__ready(middle_ready));
  stage second (.clk(clk), .rst(rst), .input__payload(middle), .input__valid(middle_valid),
    .input__ready(middle_ready), .output__payload(last), .output__valid(last_full),
    .output__ready(last_ready));
  wire bad = s_axis_tlast ? ~good & ~long : count == BEATS - 1 & ~long;
  initial dropped = 0;
  always @(posedge clk) dropped <= taken & bad & ~rst;

  reg [7:0] n = 0;
  always @(posedge clk) n <= n + 1;
  assign m_axis_tdata = last;
  assign m_axis_tvalid = last_valid;
  assign last_ready = m_axis_tready;
  assign m_axis_tlast = last_valid;
endmodule

module stage (
  input wire clk, input wire rst,
  input wire [15:0] input__payload, input wire input__valid, output wire input__ready,
  output reg [15:0] output__payload, output reg output__valid, input wire output__ready
);
  initial output__valid = 0;
  assign input__ready = ~output__valid | output__ready;
  always @(posedge clk) begin
    if (input__ready) begin output__valid <= input__valid; output__payload <= input__payload; end
    if (rst) output__valid <= 0;
  end
endmodule
"""


def interface(beats: int = 1) -> dict[str, Any]:
    """What ``rtl/top.json`` would say of the design."""
    return {
        "bus_bits": 8,
        "beats": beats,
        "output_bits": 16,
        "latency_cycles": beats + 1,
        "interval_cycles": beats,
        "frames_held": 2,
        "dropped_cycles": 1,
        "stages": [
            {"name": name, "type": "Dense", "probe": f"{name}.output__payload", "transfers": 1}
            for name in ("first", "second")
        ],
    }


def frames(count: int, beats: int = 1, seed: int = 1) -> tuple[Bytes, Bytes]:
    """Random frames, uint8 ``[count, beats, 1]``, and their answers, uint8 ``[count, 2]``."""
    given = np.random.default_rng(seed).integers(0, 256, (count, beats, 1), np.uint8)
    rows = given[:, :, 0]
    answers = [rows.sum(axis=1, dtype=np.uint8), np.bitwise_xor.reduce(rows, axis=1)]
    return given, np.stack(answers, axis=1)


def bench(
    folder: Path,
    changes: dict[str, str] | None = None,
    *,
    count: int = 40,
    beats: int = 1,
    **options: Any,
) -> Bench:
    """Write the design into ``folder``, each of ``changes`` (old: new) made; return its bench."""
    text = VERILOG.replace("BEATS = 1", f"BEATS = {beats}")
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "top.v"
    source.write_text(text)
    given, answers = frames(count, beats)
    return Bench(interface(beats), (source,), given, answers, **options)

// Drives a board's serial line as "line.txt" says, and prints each byte that comes back.
// A line is a number and how many: 0 or 1: that level for so many cycles; 2: wait until both lines
// have been still for so many; 3: print this mark.
`timescale 1ns / 1ns
module bench;
  parameter DIVISOR = 9;
  reg clk = 0, rx = 1, before = 1;
  wire tx;
  integer file, found, what, count, still = 0, bits;
  reg [8:0] word;
  always #5 clk = ~clk;
  board dut (.clk(clk), .rx(rx), .tx(tx), .reset(1'b1));

  always @(posedge clk) begin
    still <= (rx === before && tx === 1'b1) ? still + 1 : 0;
    before <= rx;
    if (tx === 1'bx) begin $display("unknown"); $finish; end
  end

  initial begin
    #3000;  // past the reset after configuration
    file = $fopen("line.txt", "r");
    found = $fscanf(file, "%d %d", what, count);
    while (found == 2) begin
      if (what == 2) begin
        @(negedge clk);
        while (still < count) @(negedge clk);
      end else if (what == 3) $display("mark %0d", count);
      else begin
        rx = what;
        repeat (count) @(negedge clk);
      end
      found = $fscanf(file, "%d %d", what, count);
    end
    $display("end");
    $finish;
  end

  always @(negedge tx) begin
    repeat (DIVISOR / 2) @(negedge clk);
    if (tx !== 0) $display("glitch");
    for (bits = 0; bits < 9; bits = bits + 1) begin
      repeat (DIVISOR) @(negedge clk);
      word[bits] = tx;
    end
    if (word[8]) $display("byte %0d", word[7:0]);
    else $display("unframed");
  end
endmodule

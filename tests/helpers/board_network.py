"""A network for a board's serial line, and a model of the board's PLL."""

import numpy as np

from htaflow.model.integer.network import ArgMax, Dense, Encode, Network

LOCK_CYCLES = 3000

# Of the part's loop what matters here: a clock from the start, and a lock that comes late.
PLL_MODEL = f"""
module EHXPLLL #(
  parameter CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 1, CLKOP_CPHASE = 0, CLKOP_FPHASE = 0,
  parameter FEEDBK_PATH = "", CLKOP_ENABLE = "", OUTDIVIDER_MUXA = ""
) (
  input CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG,
  input PLLWAKESYNC, ENCLKOP, output CLKOP, output reg LOCK
);
  assign CLKOP = CLKI;
  initial begin LOCK = 0; #{LOCK_CYCLES * 10} LOCK = 1; end
endmodule
"""


def serial_network(feature_bits: int, *, signed: bool) -> Network:
    """Return 5 features, 10 bits, 8 neurons, 3 classes, with weights that use all of them."""
    chance = np.random.default_rng(7)
    low = -(1 << feature_bits - 1) if signed else 0
    encode = Encode(
        "encode",
        features=5,
        feature_bits=feature_bits,
        signed=signed,
        source=np.repeat(np.arange(5), 2),
        threshold=chance.integers(low + 1, low + (1 << feature_bits), 10),
    )
    hidden = chance.choice([-1, 1], (8, 10))
    classes = chance.choice([-1, 1], (3, 8))
    return Network(
        "small",
        (
            encode,
            Dense("hidden", hidden, thresholds=np.zeros(8, int)),
            Dense("classes", classes),
            ArgMax("best"),
        ),
    )

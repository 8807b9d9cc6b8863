"""From a finished bitstream back to its logic, as a netlist that can be simulated and proved."""

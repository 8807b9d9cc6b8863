"""A board's netlist against the Verilog it was made from: equal in every cycle, for all inputs.

Both designs are read as gates (:mod:`htaflow.flows.proof.gates`). Their flip-flops are sorted into
classes of such that are always equal, or always each other's complement, one of them for constants.
By induction over the clock cycles that is so if all of a class start as they should and, whatever
the classes' values, take equal values: which is proved with decision diagrams, for every flip-flop
by itself. Then outputs are compared in the same way.

Classes are guessed: flip-flops of one name belong together, and others with those that take the
same in simulation. A guess that is wrong is found by the proof, never believed.

Source: C. A. J. van Eijk, "Sequential Equivalence Checking Based on Structural Similarities", IEEE
Transactions on Computer-Aided Design, 2000.
"""

from htaflow.flows.proof.equivalence.comparison import compare, numbers
from htaflow.flows.proof.equivalence.result import Equivalence, differences

__all__ = ["Equivalence", "compare", "differences", "numbers"]

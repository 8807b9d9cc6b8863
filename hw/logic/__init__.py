"""Combinational logic: netlists of small functions, and how sums and neurons become them."""

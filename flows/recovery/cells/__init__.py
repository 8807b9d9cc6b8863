"""The cells of each family's netlists: those of Yosys's ``cells_sim.v``.

A test compares what they do here with those models. Each module but :mod:`.cell` is of one family,
and has ``add_cell``.
"""

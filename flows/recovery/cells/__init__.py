"""The cells of each family's netlists: those of Yosys's ``cells_sim.v``.

A test compares what they do here with those models.
"""

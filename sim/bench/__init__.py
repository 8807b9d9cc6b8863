"""The cocotb bench: hardware against the values and the cycles it was predicted to give.

This folder is complete in itself: it needs cocotb and NumPy, and reads what lies beside it.

- ``bench.json``: the design's ``interface`` (see ``rtl/top.json``) and the options of the run.
- ``frames.npz``: ``beats``, uint8 ``[N, beats, bus_bytes]``, and ``expected``, uint8
  ``[N, output_bytes]``, byte 0 being bits 7:0.
- ``result.json`` is written: for each test what was measured and everything that was wrong.

The same tests, by name, are in :mod:`stream`, for a design's AXI4-Streams, and in :mod:`serial`,
for a board's pins.
"""

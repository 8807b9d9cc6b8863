"""Netlists executed in Python, for tests and proofs."""

import numpy as np
import numpy.typing as npt

from htaflow.hw.logic.netlist import FALSE, TRUE, Logic, Net, Table


def evaluate(logic: Logic, bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the outputs ``[frames, outputs]`` of ``logic`` for bits ``[frames, inputs]``."""
    if bits.ndim != 2 or bits.shape[1] != len(logic.inputs):
        raise ValueError(f"bits must be [frames, {len(logic.inputs)}], not {bits.shape}")
    values: dict[Net, npt.NDArray[np.bool_]] = {
        FALSE: np.zeros(len(bits), np.bool_),
        TRUE: np.ones(len(bits), np.bool_),
    }
    values.update(zip(logic.inputs, bits.T, strict=True))
    for net, driver in logic.drivers.items():
        if isinstance(driver, Table):
            index = np.zeros(len(bits), np.uint64)
            for position, source in enumerate(driver.inputs):
                index |= values[source].astype(np.uint64) << np.uint64(position)
            values[net] = (np.uint64(driver.table) >> index & np.uint64(1)).astype(np.bool_)
        elif driver[1] == 0:
            block = driver[0]
            fed = np.stack([values[source] for source in block.inputs], axis=1)
            result = evaluate(block.module, fed ^ np.array(block.flip))
            for offset, column in enumerate(result.T):
                values[block.first + offset] = column
    return np.stack([values[net] for net in logic.outputs], axis=1)

"""Constants of a graph: what quantisers make of them, and which integers weights are."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.importers.onnx.tensor import Constant, Unsupported

_MOST = 127
"""The largest multiple of the smallest weight that counts as an integer."""


def quantised(
    constant: Constant,
    scale: npt.NDArray[Any],
    zero_point: npt.NDArray[Any],
    bits: float,
    *,
    signed: bool,
    narrow: bool,
    mode: str,
) -> Constant:
    """Return what a ``Quant`` makes of a constant, computed as qonnx does, in single precision."""
    from qonnx.custom_op.general.intquant import int_quant

    width = np.array(bits, np.float32)
    value = int_quant(
        constant.value.astype(np.float32), scale, zero_point, width, signed, narrow, mode
    )
    integers = np.round(value.astype(np.float64) / scale.astype(np.float64)).astype(np.int64)
    return Constant(value, integers, np.broadcast_to(scale, value.shape))


def bipolar(constant: Constant, scale: npt.NDArray[Any]) -> Constant:
    """Return what a ``BipolarQuant`` makes of a constant."""
    integers = np.where(constant.value >= 0, 1, -1).astype(np.int64)
    scale = np.broadcast_to(scale, integers.shape)
    return Constant(integers * scale, integers, scale)


def as_integers(constant: Constant) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return weights ``[out, ...]`` as integers and a scale for each output, ``[out]``.

    Raises ``Unsupported`` if they are no whole multiples of a scale.
    """
    out = len(constant.value)
    if constant.integers is not None and constant.scale is not None:
        flat = constant.scale.reshape(out, -1)
        if not (flat == flat[:, :1]).all():
            raise Unsupported(
                "the weights of one neuron have different scales", "use one scale a channel"
            )
        return constant.integers, flat[:, 0]
    rows = constant.value.reshape(out, -1).astype(np.float64)
    found = _multiples(rows.reshape(1, -1))
    if found is None:
        found = _multiples(rows)
    if found is None:
        raise Unsupported(
            "its weights are no whole multiples of a scale",
            "quantise the weights to 8 bits or less",
        )
    integers, scale = found
    return integers.reshape(constant.value.shape), np.broadcast_to(scale.reshape(-1), (out,))


def _multiples(rows: npt.NDArray[np.float64]) -> Any:
    """Return each row as integers and a scale, or None if some row is no multiple of one."""
    sizes = np.abs(rows)
    least = np.where(sizes > 0, sizes, np.inf).min(axis=1, keepdims=True)
    least = np.where(np.isfinite(least), least, 1.0)
    for part in (1, 2, 3):  # the smallest weight may be twice or three times the scale
        scale = least / part
        integers = np.round(rows / scale)
        if np.abs(integers).max(initial=0) > _MOST:
            continue
        same = np.abs(integers * scale - rows) <= 4e-7 * np.abs(rows)
        if same.all():
            return integers.astype(np.int64), scale.astype(np.float32)
    return None

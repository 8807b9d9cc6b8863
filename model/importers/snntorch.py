"""Import of networks trained with snnTorch: stacks of ``Linear`` and ``Leaky``.

Nothing of snnTorch is needed: a module is known by its type's name and its attributes, a state
dict by its keys (https://snntorch.readthedocs.io). Everything is exact: with ``steps`` steps a
frame, the integer network spikes where snnTorch, of version 0.8 or later, does, if that computes in
numbers that hold its membranes exactly. A state dict does not hold all that this takes:
:func:`from_snntorch` says what is taken for granted.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.layers.spiking import MAX_FRACTION, find_leak
from htaflow.model.integer.layers.steps import MAX_STEPS
from htaflow.model.integer.network import Accumulate, ArgMax, Encode, Layer, Network, Spiking, Steps
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, abbreviate, kind_of

Array = npt.NDArray[np.float64]

_PASSING = ("Flatten", "Dropout", "Identity")
"""Modules that change nothing once a network is trained."""
_TOO_LARGE = 1 << 31
"""No membrane takes as much, in units of a sum."""
_RESETS = ("subtract", "zero", "none")
"""snnTorch's reset mechanisms, in the order of its ``reset_mechanism_val``."""
_LINEAR = ("weight", "bias")
"""What a state dict holds of a ``Linear``."""
_LEAKY = ("beta", "threshold", "reset_mechanism_val", "graded_spikes_factor", "mem")
"""What a state dict holds of a ``Leaky``; the last in some versions alone."""
_SETTINGS = {"inhibition": False, "state_quant": False, "reset_delay": True}
"""What of a ``Leaky`` stands in no state dict, and must be as it is by default."""


@dataclass(frozen=True)
class _Pair:
    """A ``Linear`` and the ``Leaky`` after it: names, and parameters by their own names."""

    linear: str
    leaky: str
    weight: Array
    bias: Array | None
    beta: Array
    threshold: Array
    reset: str
    single: bool
    """Whether the weights were given in single precision."""


@checked
def from_snntorch(
    stack: Any,
    encode: Encode,
    steps: int,
    *,
    scale: float = 1.0,
    name: str = "snn",
) -> Network:
    """Return the integer network of a trained stack ``Linear, Leaky, Linear, Leaky, ...``.

    The class is the output neuron that spikes most. Each step is fed the same bits of ``encode``.

    A module says all that its neurons do, except what ``spike_grad`` yields in the forward pass:
    1 above 0, else 0, as all of snnTorch's. A state dict looks the same for a ``DeltaLeaky``, for a
    ``Leaky`` with ``reset_delay=False``, ``inhibition=True`` or a ``state_quant``, and for one of
    snnTorch 0.6 and 0.7, which reset otherwise: it is taken for that of a ``Leaky`` without any of
    this. Give the module if it may be another.

    Args:
        stack: a module with children such as ``nn.Sequential``, a list of modules, or a state
            dict, whose order counts.
        encode: features to bits, as many as the first ``Linear`` has inputs.
        steps: steps a frame.
        scale: a number by which weights, biases and thresholds become whole, the same for all.
        name: of the network.

    Raises:
        BadInputError: names what is no ``Linear`` or ``Leaky``, what of a ``Leaky`` cannot be
            imported, a weight that ``scale`` does not make whole or that takes more than 8 bits, or
            a beta that is no leak, with the nearest that is.
    """
    if not 0 < scale < math.inf:
        raise BadInputError(f"scale is {scale}; use a number above 0")
    if not 1 <= steps <= MAX_STEPS:
        raise BadInputError(f"a frame has {abbreviate(steps)} steps; use 1 to {MAX_STEPS}")
    pairs = _from_state(stack) if isinstance(stack, Mapping) else _from_modules(stack)
    if not pairs:
        raise BadInputError("there is no Linear with a Leaky after it; give at least one pair")
    layers: list[Layer] = [encode, Steps("steps", steps)]
    layers += [
        _spiking(pair, f"hidden{number}" if number < len(pairs) else "spikes", scale, steps)
        for number, pair in enumerate(pairs, 1)
    ]
    return Network(name, (*layers, Accumulate("count"), ArgMax("argmax")))


def _from_state(state: Mapping[str, Any]) -> list[_Pair]:
    """Return the pairs in a state dict: keys ``MODULE.PARAMETER``, in the order of the modules."""
    modules: dict[str, dict[str, Any]] = {}
    for key, value in state.items():
        if not isinstance(key, str):
            raise BadInputError(
                f"the stack has a key {abbreviate(key)}; give a module's state dict"
            )
        module, _, parameter = key.rpartition(".")
        modules.setdefault(module, {})[parameter] = value
    for (module, given), (after, _) in pairwise([*modules.items(), ("", {})]):
        name = abbreviate(module)[1:-1]
        kind, known = ("Leaky", _LEAKY) if "beta" in given else ("Linear", _LINEAR)
        more = [parameter for parameter in given if parameter not in known]
        if module and after.startswith(f"{module}."):  # a part, such as a recurrent one
            more.append(after[len(module) + 1 :])
        if more:
            raise BadInputError(
                f"'{name}' has {abbreviate(more[0])}, so it is no {kind}; give a stack of Linear "
                "and Leaky"
            )
    return _paired([(abbreviate(module)[1:-1], given) for module, given in modules.items()])


def _from_modules(stack: Any) -> list[_Pair]:
    """Return the pairs in a module or a list of modules."""
    if not (hasattr(stack, "named_children") or isinstance(stack, Iterable)):
        raise BadInputError(f"the stack is {kind_of(stack)}; give a module, a list or a state dict")
    found = stack.named_children() if hasattr(stack, "named_children") else enumerate(stack)
    modules = []
    for key, module in found:
        kind = type(module).__name__
        if kind in _PASSING:
            continue
        labels = (*_LEAKY, *_SETTINGS, "reset_mechanism") if kind == "Leaky" else _LINEAR
        given = {label: getattr(module, label) for label in labels if hasattr(module, label)}
        if kind == "Leaky" and "reset_delay" not in given:
            raise BadInputError(
                f"'{key} ({kind})' has no reset_delay, as before snnTorch 0.8, which resets "
                "otherwise; use 0.8 or later"
            )
        modules.append((f"{key} ({kind})", given))
    return _paired(modules)


def _paired(modules: list[tuple[str, dict[str, Any]]]) -> list[_Pair]:
    """Return modules, each its name and parameters, as pairs. Raises ``BadInputError``."""
    pairs = []
    for index, (name, given) in enumerate(modules):
        wanted = "weight" if index % 2 == 0 else "beta"
        kind = "Linear" if index % 2 == 0 else "Leaky"
        if wanted not in given or (index % 2 and "weight" in given):
            raise BadInputError(
                f"'{name}' is no {kind}; give a stack of Linear and Leaky, one after the other"
            )
        if index % 2:
            pairs.append(_pair(*modules[index - 1], name, given))
    if len(modules) % 2:
        raise BadInputError(f"'{modules[-1][0]}' has no Leaky after it; add one")
    return pairs


def _pair(linear: str, weights: dict[str, Any], leaky: str, given: dict[str, Any]) -> _Pair:
    weight = _array(weights["weight"], linear)
    if weight.ndim != 2 or not weight.size:
        raise BadInputError(
            f"'{linear}' has weights of shape {list(weight.shape)}; only Linear layers can be "
            "imported"
        )
    for label in _LEAKY[:-1]:
        if label not in given:
            raise BadInputError(f"'{leaky}' lacks '{label}'; use a Leaky of snnTorch 0.8 or later")
    for label, usual in _SETTINGS.items():
        if bool(np.any(given.get(label, usual))) != usual:
            raise BadInputError(f"'{leaky}' has {label}={given[label]}; train with {usual}")
    if not (_array(given["graded_spikes_factor"], leaky) == 1).all():
        raise BadInputError(f"'{leaky}' has graded spikes; train with graded_spikes_factor=1")
    reset = given.get("reset_mechanism")
    if reset is None:
        number = _array(given["reset_mechanism_val"], leaky)
        known = [name for index, name in enumerate(_RESETS) if (number == index).all()]
        reset = known[0] if number.size and known else "unknown"
    if reset not in _RESETS:
        raise BadInputError(f"'{leaky}' has an unknown reset; train with 'subtract' or 'zero'")
    if reset == "none":
        raise BadInputError(f"'{leaky}' has no reset; train with 'subtract' or 'zero'")
    bias = None if weights.get("bias") is None else _array(weights["bias"], linear)
    if bias is not None and bias.shape != (len(weight),):
        raise BadInputError(f"'{linear}' has {bias.size} biases for {len(weight)} neurons")
    return _Pair(
        linear,
        leaky,
        weight,
        bias,
        _of_neurons(given["beta"], "beta", leaky, len(weight)),
        _of_neurons(given["threshold"], "threshold", leaky, len(weight)),
        str(reset),
        str(getattr(weights["weight"], "dtype", "")).endswith("float32"),
    )


def _of_neurons(value: Any, what: str, leaky: str, neurons: int) -> Array:
    """Return a parameter of ``neurons`` neurons, ``[neurons]``. Raises ``BadInputError``."""
    array = _array(value, leaky)
    if array.size != 1 and array.shape != (neurons,):
        raise BadInputError(
            f"'{leaky}' has a {what} of shape {list(array.shape)} for {neurons} neurons; give one "
            "number, or one for each neuron"
        )
    return np.broadcast_to(array.reshape(-1), (neurons,))


def _spiking(pair: _Pair, name: str, scale: float, steps: int) -> Spiking:
    """Return the integer layer ``name`` of a pair."""
    betas = np.unique(np.clip(pair.beta, 0, 1))
    if len(betas) != 1:
        raise BadInputError(f"'{pair.leaky}' has neurons of different beta; use one for all")
    try:
        leak = find_leak(float(betas[0]))
    except BadInputError as error:
        raise BadInputError(f"'{pair.leaky}': {error}") from None
    # A leak halves the last bit k times in each step but the first: so nothing is ever rounded.
    fraction = 0 if leak is None else leak * (steps - 1)
    if fraction > MAX_FRACTION:
        raise BadInputError(
            f"'{pair.leaky}': {steps} steps with a beta of {betas[0]:g} take {fraction} bits "
            f"behind the point, and {MAX_FRACTION} is the most: use fewer steps or a smaller beta"
        )
    weights = _whole(pair.weight, scale, f"{pair.linear}.weight", single=pair.single)
    drops = _whole(pair.threshold, scale, f"{pair.leaky}.threshold", single=pair.single) << fraction
    biases = None
    if pair.bias is not None and pair.bias.any():
        biases = _whole(pair.bias, scale, f"{pair.linear}.bias", single=pair.single) << fraction
    return Spiking(
        name,
        weights,
        drops + 1,  # snnTorch spikes above the threshold
        biases,
        drops if pair.reset == "subtract" else None,
        leak,
        "zero" if pair.reset == "zero" else "subtract",
        "unipolar",
        fraction,
    )


def _whole(values: Array, scale: float, what: str, *, single: bool) -> npt.NDArray[np.int64]:
    """Return ``values * scale``, whole numbers; a float of the nearest kind will do."""
    with np.errstate(over="ignore"):  # what overflows is too large, which is said below
        whole = np.rint(values * scale)
    if np.abs(whole).max(initial=0) >= _TOO_LARGE:
        raise BadInputError(f"'{what}' holds {np.abs(values).max():g}, too large times {scale:g}")
    again = whole / scale
    same = (again.astype(np.float32) == values) if single else (again == values)
    if not same.all():
        index = tuple(map(int, np.argwhere(~same)[0]))
        raise BadInputError(
            f"'{what}' holds {values[index]:g} at {list(index)}, which is no whole number times "
            f"1/{scale:g}: state the scale that you quantised by, or train with whole weights"
        )
    return np.asarray(whole.astype(np.int64))


def _array(value: Any, owner: str) -> Array:
    """Return a tensor, array or number of ``owner`` as an array. Raises ``BadInputError``."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise BadInputError(f"'{owner}' holds {abbreviate(value)}, which is no number") from None
    if not np.isfinite(array).all():
        raise BadInputError(f"'{owner}' holds a number that is not finite; train it again")
    return array

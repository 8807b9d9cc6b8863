"""What can be wrong with a chain of layers: one rule a function, each with what to do.

Rules of one layer yield (what is wrong, what to do). A chain is walked first to last, and no
further than the first layer whose output is not known.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from htaflow.model.integer.field_types import ill_typed
from htaflow.model.integer.layers.base import Layer, Values
from htaflow.model.integer.layers.concepts import Concepts
from htaflow.model.integer.layers.dense import Dense
from htaflow.model.integer.layers.encode import FirstLayer
from htaflow.model.integer.layers.lookup import Lookup
from htaflow.model.integer.layers.steps import Accumulate
from htaflow.model.integer.layers.vote import ArgMax, GroupSum
from htaflow.model.support.errors import abbreviate, kind_of

MAX_PROBLEMS_A_LAYER = 20
MAX_PROBLEMS_SHOWN = 40

NAME_RULE = (
    "use a lower-case letter, then at most 39 letters, digits or _; not clk, rst, top, nor layers, "
    "alone or with a number"
)

_NAME = re.compile(r"(?!layers\d*$)[a-z][a-z0-9_]{0,39}")
_TAKEN = {"clk", "rst", "top"}  # these, and layers, are names of the Verilog around the layers
_AFTER_CONCEPTS = (Dense, Lookup, GroupSum, ArgMax)
_SUM_STEPS = "put an Accumulate after the steps"

_Found = Iterator[tuple[str, str]]
"""What is wrong, and what to do."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a network: where, what, and what to do."""

    layer: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.what}; {self.fix}"


def find_problems(name: str, layers: tuple[Layer, ...]) -> list[Problem]:
    """Return every problem of a chain of layers, first to last; an empty list means valid."""
    found = [Problem("network", *problem) for problem in _bad_name(name)]
    foreign = _foreign(layers)
    if foreign is not None:
        return [*found, foreign]
    if not layers or not isinstance(layers[0], FirstLayer):
        what = "its first layer is not an Encode or a Quantise"
        return [*found, Problem("network", what, "start with one")]
    mistyped = [
        Problem(_where(index, layer), *problem)
        for index, layer in enumerate(layers)
        for problem in ill_typed(type(layer), vars(layer))
    ]
    if mistyped:
        return [*found, *mistyped]
    wrong = [Problem(_where(0, layers[0]), *problem) for problem in layers[0].frame_problems()]
    return [*found, *(wrong or _chain_problems(layers, layers[0].input))]


def _foreign(layers: object) -> Problem | None:
    """Return what is wrong if ``layers`` are no layers at all."""
    if not isinstance(layers, list | tuple):
        return Problem("network", f"its layers are {kind_of(layers)}", "give a tuple of layers")
    for index, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            fix = "use those of htaflow.model"
            return Problem(f"layer {index}", f"it is {kind_of(layer)}, no integer layer", fix)
    return None


def _chain_problems(layers: Sequence[Layer], values: Values) -> Iterator[Problem]:
    """Yield the problems of well-typed layers, the first of which is fed ``values``."""
    for index, layer in enumerate(layers):
        where = _where(index, layer)
        for problem in _misplaced(layer, layers[:index]):
            yield Problem(where, *problem)
        problems = [Problem(where, *problem) for problem in _misfed(layer, values)]
        yield from problems[:MAX_PROBLEMS_A_LAYER]
        if len(problems) > MAX_PROBLEMS_A_LAYER:
            more = len(problems) - MAX_PROBLEMS_A_LAYER
            yield Problem(where, f"{more} more problems like these", "fix them too")
        if problems:
            return  # what this layer would yield is not known
        fed, values = values, layer.output(values)
        for problem in _bad_output(layer, fed, values):
            yield Problem(where, *problem)
            return
    for problem in _bad_result(values):
        yield Problem("network", *problem)


def _misplaced(layer: Layer, before: Sequence[Layer]) -> _Found:
    """Yield what is wrong with a layer's name, and with its place after those ``before``."""
    yield from _bad_name(layer.name)
    if any(layer.name == other.name for other in before):
        yield "its name is used twice", "rename one"
    if before and isinstance(layer, FirstLayer):
        what = f"an {layer.type} after" if layer.type == "Encode" else f"a {layer.type} after"
        yield f"{what} the first layer", "remove it"
    yield from _misplaced_by_concepts(layer, before)
    if before and isinstance(before[-1], ArgMax):
        yield "it follows an ArgMax", "make the ArgMax last"


def _misplaced_by_concepts(layer: Layer, before: Sequence[Layer]) -> _Found:
    """Yield what is wrong if ``layer`` cannot follow the concepts that are named ``before``."""
    concepts = next((other for other in before if isinstance(other, Concepts)), None)
    if concepts is None:
        return
    if isinstance(layer, Concepts):
        yield f"'{concepts.name}' names concepts already", "remove one"
    elif not isinstance(layer, _AFTER_CONCEPTS):
        yield (
            f"its type, {layer.type}, cannot follow the concepts of '{concepts.name}'",
            "put it before them",
        )


def _misfed(layer: Layer, values: Values) -> _Found:
    """Yield what is wrong with a layer that is fed ``values``: their shape, or its own numbers."""
    if len(values.shape) in layer.dimensions:
        yield from layer.problems(values)
    elif layer.dimensions == (1,):
        yield f"it is fed an image, {values}, but takes flat values", "put a Flatten before it"
    else:
        yield f"it is fed {values}, but takes an image", "put an Unflatten before it"


def _bad_output(layer: Layer, fed: Values, values: Values) -> _Found:
    """Yield what is wrong with the ``values`` that a layer yields when fed ``fed``."""
    if values.problem is not None:
        yield values.problem
    if fed.steps is not None and values.steps is None and not isinstance(layer, Accumulate):
        yield "it does not work step by step", _SUM_STEPS


def _bad_result(values: Values) -> _Found:
    """Yield what is wrong with the ``values`` that the last layer yields."""
    if values.steps is not None:
        yield "it ends within the steps of a frame", _SUM_STEPS
    if len(values.shape) > 1:
        yield f"its result is an image, {values}", "end with a Flatten"


def _where(index: int, layer: Layer) -> str:
    return f"layer {index} '{layer.name}'" if is_name(layer.name) else f"layer {index}"


def _bad_name(name: object) -> _Found:
    if not is_name(name):
        yield f"its name is {abbreviate(name)}", NAME_RULE


def is_name(name: object) -> bool:
    """Return whether ``name`` can name a network or a layer: safe in Verilog, paths and pages."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and name not in _TAKEN


def describe_problems(subject: str, problems: list[Problem]) -> str:
    """Return one message that lists ``problems``."""
    if len(problems) == 1:
        return f"{subject}: {problems[0]}"
    more = len(problems) - MAX_PROBLEMS_SHOWN
    rest = [f"and {more} more"] if more > 0 else []
    lines = [*map(str, problems[:MAX_PROBLEMS_SHOWN]), *rest]
    return "\n  ".join([f"{subject}: {len(problems)} problems", *lines])

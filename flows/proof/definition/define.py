"""Definitions: what each layer type computes, one registration a type in its own module here."""

from functools import singledispatch

from htaflow.flows.proof.bdd import Bdd, Edge
from htaflow.model.integer.network import Layer, Values

Bits = list[Edge]
"""Functions, one a bit, the low bit of a value first; values follow one another."""


@singledispatch
def define(layer: Layer, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    """Return what ``layer`` yields when fed ``values``, whose bits are ``fed``.

    What looks through a window is fed one window. What a ``Spiking`` does is said by
    :func:`htaflow.flows.proof.definition.define_step`, and an ``Accumulate`` by ``define_total``.
    Raises ``NotImplementedError`` for a layer that computes nothing.
    """
    raise NotImplementedError(f"no definition of a {layer.type}")


def computes(layer: Layer) -> bool:
    """Return whether ``layer`` is one of those that :func:`define` knows."""
    return define.dispatch(type(layer)) is not define.dispatch(object)

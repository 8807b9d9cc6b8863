"""Layers that change no bit: an image's planes are in its flat order, and concepts are names."""

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.layers.base import Values
from htaflow.model.integer.layers.concepts import Concepts
from htaflow.model.integer.layers.image import Flatten, Unflatten


@prepare.register(Flatten)
@prepare.register(Unflatten)
@prepare.register(Concepts)
def _(layer: Flatten | Unflatten | Concepts, incoming: Values) -> Kernel:
    return lambda planes, count: planes

"""Faults of the network itself: weights, wires, thresholds, tables, leaks.

The mutant is an integer network like any other, and its hardware is generated as every network's
is. Faults that hardware cannot even have (a weight of 9 bits) are refused by the network's own
checks, and so are those that would change what leaves a layer, and with it the ports.
"""

import numpy as np

from htaflow.model.integer.network import Layer, Network
from htaflow.model.support.errors import BadInputError
from htaflow.sim.faults.fault import Fault, FaultError
from htaflow.sim.faults.layers import Operators, operators


def _operators(network: Network, layer: Layer) -> Operators:
    """Return the faults that ``layer`` can have, by kind."""
    fed = dict(
        zip(
            (one.name for one in network.layers),
            [network.input, *network.values.values()],
            strict=False,
        )
    )[layer.name]
    return operators(layer, fed)


def kinds(network: Network) -> list[tuple[str, str]]:
    """Return every (kind, layer) of fault that ``network`` may have; some may have no place."""
    return [(kind, layer.name) for layer in network.layers for kind in _operators(network, layer)]


def draw(rng: np.random.Generator, network: Network, kind: str, name: str) -> Fault | None:
    """Draw a place for a fault; None if there is none, or it makes no network of equal ports."""
    layer = _find(network, name)
    site = _operators(network, layer)[kind][0](rng, layer)
    if site is None:
        return None
    fault = Fault(kind, name, site)
    try:
        mutant = apply(network, fault)
    except BadInputError:
        return None
    return fault if mutant.values == network.values else None


def apply(network: Network, fault: Fault) -> Network:
    """Return the network with the fault.

    Raises ``BadInputError`` if that is no network, ``FaultError`` if it is the same network.
    """
    layer = _find(network, fault.layer)
    changed = _operators(network, layer)[fault.kind][1](layer, fault.site)
    layers = tuple(changed if one is layer else one for one in network.layers)
    mutant = Network(network.name, layers)
    if mutant.digest == network.digest:
        raise FaultError(f"the fault '{fault}' changes nothing in the network")
    return mutant


def _find(network: Network, name: str) -> Layer:
    return next(layer for layer in network.layers if layer.name == name)

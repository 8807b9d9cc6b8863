# amaranth: UnusedElaboratable=no
# A core may be made only to be looked at, or to have a part exchanged.
"""A core with one fault: which ones are drawn, and the Verilog of each.

Kinds of faults, each of the network's layers and each of the core's parts take turns, so that a
few faults already show all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from htaflow.hw.logic.target import find_target
from htaflow.hw.network import NetworkCore
from htaflow.hw.top import Top
from htaflow.hw.verilog import to_verilog
from htaflow.model.integer.network import Network
from htaflow.sim.faults import network_faults, part_faults
from htaflow.sim.faults.fault import Fault, FaultError

_TRIES = 40
"""Places drawn for a fault of one kind in one layer before it counts as having no more."""


@dataclass(frozen=True)
class HardwareOptions:
    """How a network was turned into hardware: the options of ``to_verilog``."""

    network: Network
    bus_bits: int
    target: str
    pipeline: tuple[str, ...]
    depth: float | None

    @classmethod
    def of(cls, network: Network, interface: Mapping[str, Any], verilog: str) -> "HardwareOptions":
        """Return the design that ``rtl/top.json`` and ``rtl/top.v`` are of."""
        concepts = None if network.concepts is None else network.concepts.name
        registered = [
            layer.name
            for layer in network.layers
            if layer.name != concepts and f"  reg {layer.name}__output__valid;" in verilog
        ]
        return cls(
            network,
            interface["bus_bits"],
            interface["target"],
            tuple(registered),
            interface["depth"],
        )

    def core(self, network: Network | None = None) -> NetworkCore:
        """Return the core of the network, or of another one, made in the same way."""
        return NetworkCore(
            network or self.network,
            self.bus_bits,
            find_target(self.target),
            self.pipeline,
            self.depth,
        )


@dataclass(frozen=True)
class Mutant:
    """A core with a fault, and its Verilog, module ``top``.

    ``sequential`` says that the fault is one of time or order, which the core's function of one
    frame does not show.
    """

    core: NetworkCore
    verilog: str
    sequential: bool


def right(design: HardwareOptions) -> Mutant:
    """Return the core without a fault."""
    core = design.core()
    return Mutant(core, to_verilog(Top(core), "top", core.modules), sequential=False)


def make(design: HardwareOptions, fault: Fault) -> Mutant:
    """Return the mutant. Raises ``FaultError`` if the fault changes no line of Verilog."""
    if (fault.kind, fault.layer) in network_faults.kinds(design.network):
        core = design.core(network_faults.apply(design.network, fault))
        modules = core.modules
    else:
        core = design.core()
        modules = dict(part_faults.apply(core, fault))
    sequential = fault.kind in part_faults.SEQUENTIAL
    return Mutant(core, to_verilog(Top(core), "top", modules), sequential)


def draw(design: HardwareOptions, count: int, seed: int) -> list[Fault]:
    """Draw ``count`` different faults, fewer if there are fewer, evenly over their kinds."""
    rng = np.random.default_rng(seed)
    core = design.core()
    in_network = network_faults.kinds(design.network)
    waiting: list[tuple[bool, str, str]] = [(True, *kind) for kind in in_network]
    waiting += [(False, *kind) for kind in part_faults.kinds(core) if kind not in in_network]
    found: dict[str, Fault] = {}
    while waiting and len(found) < count:
        waiting = [waiting[at] for at in rng.permutation(len(waiting))]
        again = []
        for is_network, kind, layer in waiting:
            if len(found) == count:
                break
            for _ in range(_TRIES):
                fault = (
                    network_faults.draw(rng, design.network, kind, layer)
                    if is_network
                    else part_faults.draw(rng, core, kind, layer)
                )
                if fault is not None and str(fault) not in found:
                    found[str(fault)] = fault
                    again.append((is_network, kind, layer))
                    break
        waiting = again
    return list(found.values())


def kinds_of(faults: Sequence[Fault]) -> list[str]:
    """Return the kinds among ``faults``, in order of first sight."""
    return list(dict.fromkeys(fault.kind for fault in faults))


__all__ = ["Fault", "FaultError", "HardwareOptions", "Mutant", "draw", "kinds_of", "make", "right"]

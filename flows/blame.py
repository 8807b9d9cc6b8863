"""Which layer and neuron is to blame where a netlist or a bitstream is not what it was made from.

A simulation of either says which output is wrong, and when; synthesis has dissolved the layers
behind it. What can be proved says more: flip-flops of a netlist keep the names that they have in
the Verilog, and what a bitstream has otherwise than its netlist feeds some of these.
"""

import tempfile
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from htaflow.flows.board import Board
from htaflow.flows.proof.bdd import deep_recursion
from htaflow.flows.proof.equivalence import compare
from htaflow.flows.proof.gates import Bit, Gates, read_gates
from htaflow.flows.recovery.bitstream import recover
from htaflow.flows.recovery.correspond import correspond
from htaflow.flows.recovery.netlist import Net, Netlist
from htaflow.flows.recovery.netlist_cells import netlist_of, nets_of, read_design
from htaflow.model.progress import Progress, silent

Facts = Mapping[str, Any]
Name = TypeVar("Name", Bit, Net)


class Neuron(NamedTuple):
    """A neuron, or another number that a layer yields."""

    layer: str
    number: int


def numbers(gates: Gates, interface: Facts) -> list[list[Bit]]:
    """Return the flip-flops that hold numbers of more than a bit, by stage, low bit first."""
    found = []
    for stage in interface["stages"]:
        bits, width = gates.signals.get(stage["probe"], []), stage["width"]
        if width > 1:
            found += [bits[at : at + width] for at in range(0, stage["count"] * width, width)]
    return found


def blame_netlist(
    verilog: str, netlist: str, family: str, interface: Facts, progress: Progress = silent
) -> Neuron | None:
    """Return the first neuron that ``netlist`` computes otherwise than ``verilog``.

    Args:
        verilog: module ``top``.
        netlist: what synthesis made of it for ``family``.
        family: whose cells the netlist is made of.
        interface: its stages, as in ``rtl/top.json``; ``target`` is whose cells the Verilog has.
        progress: is told what is being done.

    Raises:
        ToolError: Yosys failed.
        GateError: one of them has what is no gate and no flip-flop, such as a memory.
    """
    ours = read_gates(verilog, "top", interface["target"])
    theirs = read_gates(netlist, "top", family)
    with deep_recursion():
        result = compare(ours, theirs, progress, numbers(ours, interface))
    owners = _owners(interface, ours.signals)
    return _first(interface, (owners[bit] for bit in result.wrong if bit in owners))


def blame_bitstream(
    bitstream: Path, netlist: Path, board: Board, interface: Facts, folder: Path
) -> Neuron | None:
    """Return the first neuron into which something feeds that a bitstream has otherwise.

    Args:
        bitstream: what ``build`` made, ``top.bit`` or ``top.bin``.
        netlist: the ``netlist.v`` that it was made from.
        board: the board it is for.
        interface: the design's stages, as in ``rtl/top.json``.
        folder: tools run in a folder in it, which is then removed.

    Raises:
        BadInputError: something is not understood.
        MissingToolError: a tool is absent.
        ToolError: it failed.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".blame.") as scratch:
        design = read_design(netlist, Path(scratch))
        made = netlist_of(design, "board").simplified()
        missed = correspond(made, recover(bitstream, board, Path(scratch))).missed
    signals = {
        stage["probe"]: nets_of(design, "board", stage["probe"]) for stage in interface["stages"]
    }
    owners = _owners(interface, signals)
    fed = (_fed(made, net, owners) for net in missed)
    return _first(interface, (neuron for neuron in fed if neuron is not None))


def _owners(interface: Facts, signals: Mapping[str, list[Name]]) -> dict[Name, Neuron]:
    """Return whose number each bit of the stages' registers is of."""
    found: dict[Name, Neuron] = {}
    for stage in interface["stages"]:
        width = stage["width"]
        for place, bit in enumerate(signals.get(stage["probe"], [])[: stage["count"] * width]):
            found.setdefault(bit, Neuron(stage["name"], place // width))
    return found


def _first(interface: Facts, neurons: Iterable[Neuron]) -> Neuron | None:
    """Return the neuron that comes first in the network."""
    order = {stage["name"]: number for number, stage in enumerate(interface["stages"])}
    return min(neurons, key=lambda neuron: (order[neuron.layer], neuron.number), default=None)


def _fed(netlist: Netlist, start: Net, owners: Mapping[Net, Neuron]) -> Neuron | None:
    """Return the neuron that ``start`` is or feeds, through tables alone."""
    readers: dict[Net, list[Net]] = defaultdict(list)
    for net, table in netlist.tables.items():
        for read in table.inputs:
            readers[read].append(net)
    for net, cell in netlist.flip_flops.items():
        readers[cell.data].append(net)
    waiting, seen = deque([start]), {start}
    while waiting:
        net = waiting.popleft()
        if net in owners:
            return owners[net]
        if net in netlist.flip_flops and net != start:
            continue
        new = [reader for reader in readers[net] if reader not in seen]
        seen.update(new)
        waiting += new
    return None

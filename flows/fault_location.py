"""Which layer and neuron is to blame where a netlist or a bitstream is not what it was made from.

A simulation of either says which output is wrong, and when; synthesis has dissolved the layers
behind it. Attempts to prove them equal say more: flip-flops of a netlist keep the names that they
have in the Verilog, so what is not equal has a name; and cells of a netlist that are nowhere in its
bitstream lead to some of these. Most often that is the fault, but it is a place to look first, not
a proof of it.
"""

import tempfile
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from htaflow.flows.boards.board import Board
from htaflow.flows.proof.bdd import deep_recursion
from htaflow.flows.proof.equivalence import compare, numbers
from htaflow.flows.proof.gate_reader import read_gates
from htaflow.flows.proof.gates import Bit
from htaflow.flows.recovery.bitstream import recover
from htaflow.flows.recovery.lookup_table import NetName
from htaflow.flows.recovery.netlist import Netlist
from htaflow.flows.recovery.netlist_cells import netlist_of, nets_of, read_module
from htaflow.flows.recovery.register_matching import correspond
from htaflow.model.support.progress import Progress, silent

Facts = Mapping[str, Any]
Name = TypeVar("Name", Bit, NetName)


class SuspectNeuron(NamedTuple):
    """What a layer yields: its neuron ``number``, channel of an image, or score beside a class."""

    layer: str
    kind: str
    number: int

    def __str__(self) -> str:
        return f"layer {self.layer}, {self.kind} {self.number}"


def blame_netlist(
    verilog: str, netlist: str, family: str, interface: Facts, progress: Progress = silent
) -> SuspectNeuron | None:
    """Return the first neuron of ``netlist`` that is not proved equal to that of ``verilog``.

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
) -> SuspectNeuron | None:
    """Return the first neuron to which something leads that a bitstream lacks of its netlist.

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
        module = read_module(netlist, Path(scratch), "board")
        made = netlist_of(module).simplified()
        missed = correspond(made, recover(bitstream, board, Path(scratch))).missed
    signals = {stage["probe"]: nets_of(module, stage["probe"]) for stage in interface["stages"]}
    owners = _owners(interface, signals)
    readers = _readers(made)
    fed = (_fed(made, readers, net, owners) for net in missed)
    return _first(interface, (neuron for neuron in fed if neuron is not None))


def _owners(interface: Facts, signals: Mapping[str, list[Name]]) -> dict[Name, SuspectNeuron]:
    """Return what each bit of the stages' registers is of.

    The register of an image holds the channels of one pixel, and that of a class its scores, too.
    """
    found: dict[Name, SuspectNeuron] = {}
    before = 1
    for stage in interface["stages"]:
        bits, width = signals.get(stage["probe"], []), stage["width"]
        own = stage["count"] * width
        kind = "neuron" if len(bits) >= own else "channel"
        for place, bit in enumerate(bits[:own]):
            found.setdefault(bit, SuspectNeuron(stage["name"], kind, place // width))
        for place, bit in enumerate(bits[own:]):
            found.setdefault(bit, SuspectNeuron(stage["name"], "score", place // before))
        before = width
    return found


def _first(interface: Facts, neurons: Iterable[SuspectNeuron]) -> SuspectNeuron | None:
    """Return the neuron that comes first in the network."""
    order = {stage["name"]: number for number, stage in enumerate(interface["stages"])}
    return min(neurons, key=lambda neuron: (order[neuron.layer], neuron[1:]), default=None)


def _readers(netlist: Netlist) -> dict[NetName, list[NetName]]:
    """Return the tables, and the flip-flops, that read a net."""
    readers: dict[NetName, list[NetName]] = defaultdict(list)
    for net, table in netlist.tables.items():
        for read in table.inputs:
            readers[read].append(net)
    for net, cell in netlist.flip_flops.items():
        readers[cell.data].append(net)
    return readers


def _fed(
    netlist: Netlist,
    readers: Mapping[NetName, list[NetName]],
    start: NetName,
    owners: Mapping[NetName, SuspectNeuron],
) -> SuspectNeuron | None:
    """Return the neuron that ``start`` is or feeds, through tables alone."""
    waiting, seen = deque([start]), {start}
    while waiting:
        net = waiting.popleft()
        if net in owners:
            return owners[net]
        if net in netlist.flip_flops and net != start:
            continue
        new = [reader for reader in readers.get(net, ()) if reader not in seen]
        seen.update(new)
        waiting += new
    return None

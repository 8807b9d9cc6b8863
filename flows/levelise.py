"""Verilog of a flat netlist that simulates fast: logic in its order, processes woken together.

An event-driven simulator follows every change through every wire: where many paths of unequal
length meet, a gate is evaluated many times over in one cycle. Here the gates between registers that
hang together are one process, in an order in which each is evaluated once. That pays where most of
them change in most cycles, as in a network that takes a frame a cycle; where little does, as on a
serial line, it does not, and only the registers are put together.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from htaflow.model.errors import BadInputError


class Gate(NamedTuple):
    """One net and what drives it: a Verilog ``expression`` of the nets ``inputs``."""

    net: str
    expression: str
    inputs: tuple[str, ...]


class Update(NamedTuple):
    """What a register does with an edge: ``when`` it wakes, on which ``condition`` it acts."""

    when: str
    condition: str
    statement: str


def combinational(gates: Sequence[Gate]) -> list[str]:
    """Return ``always_comb`` processes for ``gates``, each net of which is a ``reg``.

    SystemVerilog, whose ``always_comb`` also runs when a simulation begins.

    Raises ``BadInputError`` for two drivers of one net, and for a loop, which has no order.
    """
    by_net: dict[str, Gate] = {}
    for gate in gates:
        if gate.net in by_net:
            raise BadInputError(f"net {gate.net} has two drivers")
        by_net[gate.net] = gate
    lines = []
    for component in _components(by_net):
        ordered = _ordered(component, by_net)
        statements = [f"{gate.net} = {gate.expression};" for gate in ordered]
        if any(gate.inputs for gate in ordered):
            lines += ["always_comb begin", *(f"  {each}" for each in statements), "end"]
        else:  # nothing would ever wake it
            lines += [f"initial {each}" for each in statements]
    return lines


def registers(updates: Iterable[Update]) -> list[str]:
    """Return one process for all of ``updates`` that wake and act together."""
    together: dict[tuple[str, str], list[str]] = {}
    for update in updates:
        together.setdefault((update.when, update.condition), []).append(update.statement)
    lines = []
    for (when, condition), statements in together.items():
        test = f"if ({condition}) " if condition else ""
        lines += [f"always @({when}) {test}begin", *(f"  {each}" for each in statements), "end"]
    return lines


def _components(gates: Mapping[str, Gate]) -> list[list[str]]:
    """Return the nets of ``gates`` that hang together, without a register between them."""
    parent = {net: net for net in gates}

    def root(net: str) -> str:
        while parent[net] != net:
            parent[net] = net = parent[parent[net]]
        return net

    for gate in gates.values():
        for source in gate.inputs:
            if source in parent:
                parent[root(source)] = root(gate.net)
    found: dict[str, list[str]] = {}
    for net in gates:
        found.setdefault(root(net), []).append(net)
    return list(found.values())


def _ordered(nets: Iterable[str], gates: Mapping[str, Gate]) -> list[Gate]:
    """Return the gates of ``nets`` with every input before what reads it."""
    ordered: list[Gate] = []
    state: dict[str, bool] = {}  # False: on the way down, True: done
    for start in nets:
        stack = [start]
        while stack:
            net = stack[-1]
            if state.get(net):
                stack.pop()
                continue
            waiting = [
                source for source in gates[net].inputs if source in gates and not state.get(source)
            ]
            if not waiting:
                state[net] = True
                ordered.append(gates[net])
                stack.pop()
                continue
            if any(state.get(source) is False for source in waiting):
                raise BadInputError(f"the logic that drives {net} is a loop")
            state[net] = False
            stack += waiting
    return ordered

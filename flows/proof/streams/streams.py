"""The stream rules of :mod:`htaflow.hw.stream.stage`, proved of every stream component of htaflow.

Components of a network are made small, read as gates, and explored: every state that they can
reach, with every input. A serial line is followed bit by bit for all bytes, and a packet link byte
by byte for all frames and results.
"""

from collections.abc import Iterator

from htaflow.flows.proof.gate_reader import read_gates
from htaflow.flows.proof.gates import Gates
from htaflow.flows.proof.streams.model_checker import DROPPED, RULES, explore
from htaflow.flows.proof.streams.packet_link import link_verilog, prove_link
from htaflow.flows.proof.streams.serial_line import line_verilog, prove_line
from htaflow.flows.proof.streams.small_components import DESIGNS, SmallComponent
from htaflow.flows.proof.streams.stream_proof import StreamProof
from htaflow.model.support.progress import Progress, silent


def prove_streams(progress: Progress = silent) -> Iterator[StreamProof]:
    """Yield a proof for each stream component."""
    for make in DESIGNS:
        design = make()
        progress(f"prove: the stream rules of {design.name}")
        yield prove_design(design)
    progress("prove: the serial line and the packet link")
    yield prove_line(read_gates(line_verilog(), "top"))
    yield prove_link(read_gates(link_verilog(), "top"))


def prove_design(design: SmallComponent, gates: Gates | None = None) -> StreamProof:
    """Explore a small component; ``gates`` are those of its Verilog, read if not given."""
    if gates is None:
        gates = read_gates(design.verilog, "top")
    found = explore(
        gates,
        design.ports(gates),
        design.payloads,
        design.reference,
        design.remembered,
        design.most_held,
        design.drops,
    )
    rules = RULES if design.drops is None else (*RULES, DROPPED)
    proof = StreamProof(design.name, "every reachable state", open=found.open, broken=found.broken)
    if not proof.open:
        proof.rules = (
            [rule for rule in rules if rule not in found.broken] if not found.broken else []
        )
    proof.states, proof.transitions = found.states, found.transitions
    proof.bound = found.most_cycles
    return proof

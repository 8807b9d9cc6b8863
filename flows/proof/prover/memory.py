"""Layers that remember something from one step of a frame to the next."""

from collections.abc import Iterator, Mapping, Sequence

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge
from htaflow.flows.proof.gates import Bit, Gates
from htaflow.flows.proof.prover.evaluate import evaluate
from htaflow.flows.proof.prover.layer_proof import NotProvedError
from htaflow.flows.proof.prover.prover import Prover
from htaflow.flows.proof.streams.sequences import Ports

_ANY = 1 << 40
"""A variable after all others."""


def by_step(
    prover: Prover,
    bdd: Bdd,
    name: str,
    ports: Ports,
    steps: int,
    edges: Mapping[Bit, Edge],
    flops: Sequence[Bit],
) -> Iterator[tuple[int, list[Edge]]]:
    """Yield what ``flops`` take in each step of a frame when it is taken; check the count."""
    counter = [
        bit for bit in prover.gates.signals.get(f"core.{name}.at", []) if bit in prover.gates.flops
    ]
    if any(prover.gates.flops[bit].init != 0 for bit in counter):
        raise NotProvedError("its count of steps does not start at 0")
    now = {ports.input_valid: TRUE, ports.output_ready: TRUE, ports.reset: FALSE}
    now[ports.output_valid] = bdd.var(_ANY)  # whether something was waiting
    every = [*flops, *counter]
    for step in range(steps):
        at = {bit: step >> place & 1 for place, bit in enumerate(counter)}
        data = [prover.gates.flops[bit].data for bit in every]
        got = evaluate(prover.gates, bdd, data, {**edges, **now, **at})
        after = (step + 1) % steps
        if got[len(flops) :] != [after >> place & 1 for place in range(len(counter))]:
            raise NotProvedError("its count of steps is not what it must be")
        yield step, got[: len(flops)]


def check_held(gates: Gates, ports: Ports, memory: Sequence[Bit]) -> None:
    """Check that memory is held when nothing comes."""
    bdd = Bdd()
    for bit in memory:
        edges = {ports.input_valid: FALSE, ports.reset: FALSE, bit: bdd.var(0)}
        found = gates.evaluate(
            bdd, [gates.flops[bit].data], edges, lambda other: bdd.var(abs(other) + 1)
        )
        if found != [bdd.var(0)]:
            raise NotProvedError(f"{gates.name_of(bit)} changes when nothing is taken")

"""Spiking neurons, proved step by step for every value that their membranes can have."""

from collections.abc import Sequence
from dataclasses import dataclass

from htaflow.flows.proof.bdd import Bdd, Edge, TooManyNodesError
from htaflow.flows.proof.definition import Bits, define, define_step
from htaflow.flows.proof.gates import Bit
from htaflow.flows.proof.layers.membranes import stays_within
from htaflow.flows.proof.prover.chain import through_stage
from htaflow.flows.proof.prover.comparison import compare_numbers
from htaflow.flows.proof.prover.layer_proof import LayerProof, NotProvedError
from htaflow.flows.proof.prover.memory import by_step, check_held
from htaflow.flows.proof.prover.prover import Prover, prove_layer
from htaflow.flows.proof.prover.relation import Relation
from htaflow.flows.proof.streams.sequences import Ports, ports_of
from htaflow.hw.layers.spiking import sums_name
from htaflow.model.integer.network import Spiking, Values

_WITHIN = (
    "membranes are within the bounds of the integer network: every value that they can have was "
    "followed through every step, as intervals"
)


@prove_layer.register
def _(layer: Spiking, prover: Prover, values: Values, proof: LayerProof) -> None:
    ports = ports_of(prover.gates, f"core.{layer.name}")
    sums: Values | None = None
    if list(ports.input) != prover.payload:  # a stage that sums is in between
        sums = layer.sums.output(values)
        _prove_sums(layer, prover, values, proof)
    if list(ports.input) != prover.payload:
        raise NotProvedError("its input is not what the layer before yields")
    wrong = _prove_steps(layer, prover, values, sums, ports, proof)
    neurons = len(layer.weights)
    proof.items, proof.proved = neurons, neurons - len(wrong)
    check_held(prover.gates, ports, _memory(layer, prover))
    proof.assumed = "; ".join(filter(None, (prover.relation.text, _WITHIN)))
    prover.payload = list(ports.output)
    # A threshold that no membrane reaches.
    _, high = layer.membranes(_steps(values))
    never = [int(layer.thresholds[n]) > int(high[n]) for n in range(neurons)]
    prover.relation = Relation([(-1 if off else n, False) for n, off in enumerate(never)])


def _prove_sums(layer: Spiking, prover: Prover, values: Values, proof: LayerProof) -> None:
    """Prove the stage that sums what spiking neurons are fed."""
    name = sums_name(layer)
    ending = f".{name}__output__payload"
    chains = [
        signal.rpartition(".")[0] for signal in prover.gates.signals if signal.endswith(ending)
    ]
    if not chains:
        raise NotProvedError("its input is not what the layer before yields")
    chain = min(chains, key=len)
    bdd = Bdd()
    fed = prover.inputs(bdd, values.count)
    got = through_stage(prover, bdd, name, fed, None, f"{chain}.{name}__output__payload")
    defined = define(layer.sums, bdd, values, fed)
    yielded = layer.sums.output(values)
    compare_numbers(bdd, proof, defined, got, [yielded.width] * yielded.count)
    prover.relation = Relation.of(defined)


@dataclass(frozen=True)
class _Step:
    """A step as it is defined.

    Attributes:
        spikes: of the neurons.
        kept: their membranes after it, without those that a reset clears.
        counts: for each neuron whether its membrane is in its range before and after.
        shapes: of the membranes.
    """

    spikes: Bits
    kept: list[Bits]
    counts: Bits
    shapes: list[Values]


def _prove_steps(
    layer: Spiking,
    prover: Prover,
    values: Values,
    sums: Values | None,
    ports: Ports,
    proof: LayerProof,
) -> set[int]:
    """Prove each step of a frame; return the neurons that are not as they are defined."""
    bdd = Bdd()
    count, steps = len(prover.payload), _steps(values)
    fed = prover.inputs(bdd, count)
    shapes = _membrane_shapes(layer, steps)
    memory = _memory(layer, prover)
    names = {bit: bdd.var(count + index) for index, bit in enumerate(memory)}
    defined = _define(layer, bdd, fed, [names[bit] for bit in memory], shapes, sums)
    edges = dict(zip(prover.payload, fed, strict=True)) | names
    flops = [*ports.output, *memory]
    wrong: set[int] = set()
    for step, got in by_step(prover, bdd, layer.name, ports, steps, edges, flops):
        if step == steps - 1:
            wrong |= _compare_last_step(bdd, defined, got, proof)
        else:
            wrong |= _compare_step(layer, bdd, defined, got, proof)
    return wrong


def _compare_last_step(
    bdd: Bdd, defined: _Step, got: Sequence[Edge], proof: LayerProof
) -> set[int]:
    """Compare the spikes, and check that all is cleared for the next frame."""
    neurons = len(defined.spikes)
    fired, memory = got[:neurons], got[neurons:]
    widths = [1] * neurons
    wrong = compare_numbers(bdd, proof, defined.spikes, fired, widths, care=defined.counts)
    if any(memory):
        raise NotProvedError("membranes are not cleared with the last step of a frame")
    return wrong


def _compare_step(
    layer: Spiking, bdd: Bdd, defined: _Step, got: Sequence[Edge], proof: LayerProof
) -> set[int]:
    """Compare the spikes and the membranes, and check that the former are kept if need be."""
    neurons = len(defined.spikes)
    fired, memory, spiked = got[:neurons], got[neurons:], got[-neurons:]
    if layer.reset == "subtract" and spiked != fired:
        raise NotProvedError("it is not kept which neurons spiked")
    wanted = zip(defined.spikes, defined.kept, strict=True)
    found = zip(fired, _split(memory, defined.shapes), strict=True)
    return compare_numbers(
        bdd,
        proof,
        [bit for one, bits in wanted for bit in (one, *bits)],
        [bit for one, bits in found for bit in (one, *bits)],
        [1 + shape.width for shape in defined.shapes],
        care=defined.counts,
    )


def _steps(values: Values) -> int:
    assert values.steps is not None
    return values.steps


def _membrane_shapes(layer: Spiking, steps: int) -> list[Values]:
    """Return the ranges of the membranes, having proved that none leaves its own."""
    low, high = layer.membranes(steps)
    if not stays_within(layer, steps, low, high):
        raise NotProvedError("a membrane can leave the range that its width was made for")
    return [Values((1,), int(a), int(b)) for a, b in zip(low, high, strict=True)]


def _memory(layer: Spiking, prover: Prover) -> list[Bit]:
    """Return the registers of the membranes, and of which neurons spiked."""
    component = f"core.{layer.name}"
    return [*prover.signal(f"{component}.membranes"), *prover.signal(f"{component}.spiked")]


def _define(
    layer: Spiking,
    bdd: Bdd,
    fed: Sequence[Edge],
    memory: Sequence[Edge],
    shapes: list[Values],
    sums: Values | None,
) -> _Step:
    """Return a step as it is defined, after which ``memory`` were membranes and spikes before."""
    width = sum(shape.width for shape in shapes)
    membranes, spiked = _split(memory[:width], shapes), memory[width:]
    try:
        spikes, after, counts = define_step(bdd, layer, fed, membranes, spiked, shapes, sums=sums)
    except TooManyNodesError as error:
        widest = max(shape.width for shape in shapes)
        raise NotProvedError(
            f"{error}; its membranes have up to {widest} bits, and about 20 is the most: use "
            "fewer steps, less fraction or a smaller beta"
        ) from None
    if layer.reset == "zero":
        after = [
            [bdd.conj(bit, spike ^ 1) for bit in bits]
            for spike, bits in zip(spikes, after, strict=True)
        ]
    return _Step(spikes, after, counts, shapes)


def _split(bits: Sequence[int], shapes: Sequence[Values]) -> list[list[int]]:
    """Return the bits of numbers of ``shapes``."""
    found, at = [], 0
    for shape in shapes:
        found.append(list(bits[at : at + shape.width]))
        at += shape.width
    return found

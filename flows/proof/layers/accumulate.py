"""Sums over a frame's steps, proved step by step."""

from htaflow.flows.proof.bdd import FALSE, Bdd
from htaflow.flows.proof.definition import define_total
from htaflow.flows.proof.prover.comparison import compare_numbers
from htaflow.flows.proof.prover.layer_proof import LayerProof, NotProvedError
from htaflow.flows.proof.prover.memory import by_step, check_held
from htaflow.flows.proof.prover.prover import Prover, prove_layer
from htaflow.flows.proof.prover.relation import Relation
from htaflow.flows.proof.streams.sequences import ports_of
from htaflow.model.integer.network import Accumulate, Values


@prove_layer.register
def _(layer: Accumulate, prover: Prover, values: Values, proof: LayerProof) -> None:
    """Prove a step of the sums over a frame's steps."""
    assert values.steps is not None
    ports = ports_of(prover.gates, f"core.{layer.name}")
    if list(ports.input) != prover.payload:
        raise NotProvedError("its input is not what the layer before yields")
    bdd = Bdd()
    count = len(prover.payload)
    fed = prover.inputs(bdd, count)
    proof.assumed = prover.relation.text
    totals = {bit: bdd.var(count + index) for index, bit in enumerate(ports.output)}
    edges = dict(zip(prover.payload, fed, strict=True)) | totals
    yielded = layer.output(values)
    wrong: set[int] = set()
    flops = [*ports.output, ports.output_valid]
    for step, got in by_step(prover, bdd, layer.name, ports, values.steps, edges, flops):
        before = [totals[bit] if step else FALSE for bit in ports.output]
        defined = define_total(bdd, layer, values, fed, before)
        widths = [yielded.width] * yielded.count
        wrong |= compare_numbers(bdd, proof, defined, got[:-1], widths)
        if got[-1] != int(step == values.steps - 1):
            raise NotProvedError("what it yields is not valid after the last step alone")
    proof.items, proof.proved = yielded.count, yielded.count - len(wrong)
    check_held(prover.gates, ports, list(ports.output))
    prover.payload = list(ports.output)
    prover.relation = Relation.none(len(prover.payload))

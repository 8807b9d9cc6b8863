"""First layers, which take a frame in one or several beats of the bus."""

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge
from htaflow.flows.proof.definition import define
from htaflow.flows.proof.prover.comparison import compare_numbers
from htaflow.flows.proof.prover.evaluate import evaluate, taken
from htaflow.flows.proof.prover.layer_proof import LayerProof, NotProvedError
from htaflow.flows.proof.prover.prover import Prover, prove_layer
from htaflow.flows.proof.prover.relation import Relation
from htaflow.flows.proof.prover.stream import FRAMES, follow, without_unread
from htaflow.flows.proof.streams.sequences import Ports, ports_of
from htaflow.model.integer.network import FirstLayer, Values


@prove_layer.register
def _(layer: FirstLayer, prover: Prover, values: Values, proof: LayerProof) -> None:
    bdd = Bdd()
    frame = [bdd.var(index) for index in range(layer.features * layer.feature_bits)]
    prover.relation = Relation.none(len(frame))
    defined = define(layer, bdd, values, frame)
    ports = ports_of(prover.gates, f"core.{layer.name}")
    bus = prover.interface["bus_bits"]
    if prover.gates.inputs.get("s_axis_tdata", ports.input[:bus]) != ports.input[:bus]:
        raise NotProvedError("its input is not s_axis_tdata")
    if prover.interface["beats"] == 1:
        edges = dict(zip(ports.input[:bus], frame, strict=False))
        # Bits of the bus above the last feature are ignored, so nothing may depend on them.
        got = taken(prover.gates, bdd, list(ports.output), ports.input_ready, edges)
        _check_whole_frames(layer, prover, ports)
        yielded = layer.output(values)
        compare_numbers(bdd, proof, defined, got, [yielded.width] * yielded.count)
    else:
        _follow_beats(layer, prover, values, proof, bdd)
    prover.payload = list(ports.output)
    prover.relation = Relation.of(defined)


def _follow_beats(
    layer: FirstLayer, prover: Prover, values: Values, proof: LayerProof, bdd: Bdd
) -> None:
    """Prove an encoder of several beats."""
    count = layer.features * layer.feature_bits
    frames, expected = [], []
    for number in range(FRAMES):
        bits = [bdd.var(number * count + index) for index in range(count)]
        frames.append(_beats(layer, prover, bits))
        expected.append([without_unread(prover, define(layer, bdd, values, bits), proof)])
    width = layer.output(values).width
    follow(prover, f"core.{layer.name}", bdd, frames, expected, proof, width, FRAMES * count)


def _beats(layer: FirstLayer, prover: Prover, bits: list[Edge]) -> list[list[Edge]]:
    """Return the bits of a frame as beats with ``last`` and ``error``; idle bits are 0."""
    beats, bus = prover.interface["beats"], prover.interface["bus_bits"]
    size = prover.interface["features_per_beat"] * layer.feature_bits
    found = []
    for beat in range(beats):
        data = bits[beat * size : (beat + 1) * size]
        data += [FALSE] * (bus - len(data))
        found.append([*data, int(beat == beats - 1), FALSE])
    return found


def _check_whole_frames(layer: FirstLayer, prover: Prover, ports: Ports) -> None:
    """Check of an encoder of one beat that what is valid is a whole frame without error."""
    component = f"core.{layer.name}"
    bus = prover.interface["bus_bits"]
    last, error = ports.input[bus], ports.input[bus + 1]
    bdd = Bdd()
    names = [ports.reset, ports.input_valid, last, error]
    edges = {bit: bdd.var(index) for index, bit in enumerate(names)}
    edges[ports.input_ready] = TRUE
    registers = prover.signal(f"{component}.too_long")
    edges[registers[0]] = bdd.var(4)
    valid = prover.gates.flops[ports.output_valid].data
    (found,) = evaluate(prover.gates, bdd, [valid], dict(edges))
    wanted = [edges[ports.reset] ^ 1, edges[ports.input_valid], edges[last], edges[error] ^ 1]
    if found != bdd.conj_all([*wanted, bdd.var(4) ^ 1]):
        raise NotProvedError(f"{component}: other frames than whole ones without error are valid")

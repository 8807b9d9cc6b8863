"""Layers that take or yield a frame in several transfers."""

from collections.abc import Iterator, Sequence

from htaflow.flows.proof.bdd import FALSE, Bdd, Edge
from htaflow.flows.proof.prover.comparison import value_of
from htaflow.flows.proof.prover.layer_proof import MOST_FAILURES, LayerProof, NotProvedError
from htaflow.flows.proof.prover.prover import Prover
from htaflow.flows.proof.streams.sequences import Follower, ports_of
from htaflow.model.integer.network import Values

FRAMES = 2
"""Frames that are followed, one on the heels of another."""


def frames_of(prover: Prover, bdd: Bdd, values: Values, proof: LayerProof) -> Iterator[list[Edge]]:
    """Yield frames of ``values``, as bits: variables of their own, or what stands for them.

    An image comes pixel by pixel; in each, what is known of its channels holds.
    """
    proof.assumed = prover.relation.text
    width = values.width
    count = values.count * width
    pixels, left = divmod(count, len(prover.relation.literals))
    if left:
        raise NotProvedError(f"{len(prover.relation.literals)} bits come in at once, of {count}")
    for number in range(FRAMES):

        def literal(index: int, pixel: int, first: int = number * count) -> Edge:
            """Return the bit ``index`` of a pixel."""
            where, flip = prover.relation.literals[index]
            if where < 0:
                return FALSE ^ int(flip)
            channel, place = divmod(where, width)
            return bdd.var(first + (channel * pixels + pixel) * width + place) ^ int(flip)

        yield [
            literal(channel + place, pixel)
            for channel in range(0, len(prover.relation.literals), width)
            for pixel in range(pixels)
            for place in range(width)
        ]


def follow(
    prover: Prover,
    component: str,
    bdd: Bdd,
    frames: Sequence[Sequence[Sequence[Edge]]],
    expected: Sequence[Sequence[Sequence[Edge]]],
    proof: LayerProof,
    width: int,
    variables: int,
) -> None:
    """Prove that a component turns each of ``frames`` into what is ``expected``."""
    ports = ports_of(prover.gates, component)
    if prover.payload and list(ports.input) != prover.payload:
        raise NotProvedError("its input is not what the layer before yields")
    wrong = Follower(prover.gates, ports, bdd, variables).prove(frames, expected)
    proof.items += len(expected[0]) * len(ports.output) // width
    proof.proved += len(expected[0]) * len(ports.output) // width
    size = variables // len(frames)
    for transfer, place, one, two in wrong:
        proof.proved -= proof.proved == proof.items
        if len(proof.failures) >= MOST_FAILURES:
            break
        example = bdd.example(bdd.xor(one, two))
        proof.failures.append(
            {
                "neuron": place // width,
                "transfer": transfer % len(expected[0]),
                "inputs_that_are_1": sorted(
                    var % size for var, bit in example.items() if bit and var < variables
                ),
                "defined": value_of(bdd, [one], example),
                "verilog": value_of(bdd, [two], example),
            }
        )
    prover.payload = list(ports.output)


def without_unread(prover: Prover, bits: Sequence[Edge], proof: LayerProof) -> list[Edge]:
    """Return the encoder's bits as they are proved: -1 in place of unread ones.

    An encoder of several beats keeps nothing for them.
    """
    used = set(prover.network.used_bits.tolist())
    proof.assumed = f"{len(used)} of {len(bits)} bits are read; the others are not proved"
    return [bit if index in used else -1 for index, bit in enumerate(bits)]

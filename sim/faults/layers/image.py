"""Images: how a frame's pixels move."""

from htaflow.hw.layers.image import Deserialiser, Serialiser
from htaflow.sim.faults.layers.transfers import (
    Surroundings,
    Transfers,
    grouped,
    image,
    joined,
    transfers,
)


@transfers.register
def _(part: Serialiser, taken: Transfers, around: Surroundings) -> Transfers:
    (bits,) = taken
    numbers = grouped(bits, around.fed[part.name].width)
    pixels = len(bits) // len(part.output.payload)
    return [joined(numbers[pixel::pixels]) for pixel in range(pixels)]


@transfers.register
def _(part: Deserialiser, taken: Transfers, around: Surroundings) -> Transfers:
    return [joined(image(taken, around.fed[part.name].width))]

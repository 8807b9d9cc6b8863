"""Random chains: layers of every kind, in any order that a network allows, and their hardware."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from networks import (
    ENDINGS,
    Choices,
    DrawnChoices,
    random_dense,
    random_encode,
    random_lookup,
    random_scale,
    random_spiking,
    random_threshold,
    random_windowed,
)

from htaflow.hw.logic.target import TARGETS
from htaflow.model.integer.network import (
    Accumulate,
    ArgMax,
    Concepts,
    FirstLayer,
    Flatten,
    GroupSum,
    Layer,
    Network,
    Quantise,
    Steps,
    Unflatten,
    Values,
)


class Chain:
    """A network in the making.

    Each method adds layers, and first a ``Dense`` where what comes does not suit them.
    """

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.layers: list[Layer] = []
        self._encode()

    @property
    def values(self) -> Values:
        """What the last layer yields."""
        assert isinstance(self.layers[0], FirstLayer)
        found = self.layers[0].input
        for layer in self.layers:
            found = layer.output(found)
        return found

    def add_dense(self, count: int, *, thresholds: bool = True, levels: bool = False) -> None:
        """Sums of whatever comes, which is not signed; bits, or with ``levels`` levels."""
        pick, fed = self.choices.pick, self.values
        self.layers.append(
            random_dense(
                self.choices.rng,
                self._name("dense"),
                fed.count,
                count,
                fan_in=pick((3, 1, 6, None)),
                thresholds=thresholds,
                unipolar=not fed.is_bits or self.choices.chance(0.5),
                weight_bits=pick((2, 2, 2, 2, 3, 4, 5, 6, 7, 8)),
                high=fed.high,
                levels=pick((1, 1, 3, 2, 7, 20)) if levels else 1,
            )
        )

    def add_levels(self, count: int) -> None:
        """Sums with several thresholds each, or the levels of sums."""
        if self.choices.chance(0.5):
            self.add_dense(count, levels=True)
        else:
            self.add_dense(count, thresholds=False)
            self._add_threshold()

    def _add_threshold(self) -> None:
        if self.choices.chance(0.3):
            name, channels = self._name("scale"), self.values.shape[0]
            self.layers.append(random_scale(self.choices.rng, name, channels))
        name = self._name("level")
        self.layers.append(random_threshold(self.choices.rng, name, self.values, self.choices))

    def add_lookup(self, count: int) -> None:
        """Truth tables."""
        fed, inputs = self._bits(), self.choices.pick(range(1, 7))
        name = self._name("lookup")
        self.layers.append(random_lookup(self.choices.rng, name, fed, count, inputs))

    def add_neurons(self, count: int) -> None:
        """Sums or truth tables."""
        self.choices.pick((self.add_dense, self.add_lookup))(count)

    def add_votes(self) -> None:
        """Counts of bits in groups of any size."""
        groups = self.choices.pick(_divisors(self._bits()))
        self.layers.append(GroupSum(self._name("vote"), groups))

    def add_image(self) -> None:
        """Convolutions and pooling, over neurons or over what comes."""
        pick, fed = self.choices.pick, self.values
        if fed.count * fed.width < 40 and self.choices.chance(0.5):
            channels = pick(_divisors(fed.count))
            height = pick(_divisors(fed.count // channels))
            shape = channels, height, fed.count // channels // height
        else:
            shape = pick(range(1, 4)), pick(range(1, 6)), pick(range(1, 6))
            pick((self.add_neurons, self.add_levels))(prod(shape))
        self.layers.append(Unflatten(self._name("image"), shape))
        for _ in range(pick(range(4))):
            name = self._name("window")
            if self.values.signed or (not self.values.is_bits and self.choices.chance(0.3)):
                self._add_threshold()
            layer = random_windowed(self.choices.rng, name, self.values, self.choices, levels=True)
            self.layers.extend([layer] if layer is not None else [])
        if self.values.signed:
            self._add_threshold()
        self.layers.append(Flatten(self._name("flat")))

    def add_steps(self, end: Callable[[], None] | None = None) -> None:
        """Spiking neurons and others within steps, ``end`` after them; and the sum over the steps.

        Without ``end`` they may also end in votes.
        """
        pick, chance = self.choices.pick, self.choices.chance
        steps = pick(range(1, 5))
        if not self.values.is_bits or chance(0.5):
            self.add_neurons(pick(range(1, 5)) * steps)
        splits = self.values.count % steps == 0 and chance(0.4)
        self.layers.append(Steps(self._name("steps"), steps, "split" if splits else "direct"))
        for _ in range(pick(range(1, 4))):
            count = pick(range(1, 7))
            pick((self._add_spiking, self._add_spiking, self.add_neurons))(count)
        if end is not None:
            end()
        elif chance(0.2):
            self.add_votes()
        self.layers.append(Accumulate(self._name("count")))

    def add_concepts(self) -> None:
        """Names of bits, and at times neurons after them."""
        names = tuple(f"concept {index}" for index in range(self._bits()))
        self.layers.append(Concepts("concepts", names))
        for _ in range(self.choices.pick(range(3))):
            self.add_neurons(self.choices.pick(range(1, 7)))

    def add_ending(self) -> None:
        """Any of :data:`ENDINGS`, or the class without more ado; in steps, or after concepts."""
        pick = self.choices.pick
        ending, classes = pick((*ENDINGS, "class")), pick(range(2, 5))

        def head() -> None:
            if ending.endswith("votes"):
                if self._bits() % classes:
                    self.add_neurons(classes * pick(range(1, 4)))
                self.layers.append(GroupSum("head", classes))
            elif ending.endswith("scores"):
                self.add_dense(classes, thresholds=False)
            elif ending == "class" and self.values.count < 2:
                self.add_neurons(classes)

        kind = pick(("plain", "concepts", "steps"))
        if kind == "steps":
            self.add_steps(head)
        else:
            if kind == "concepts":
                self.add_concepts()
            head()
        if ending.startswith("class"):
            self.layers.append(ArgMax("argmax"))

    def _encode(self) -> None:
        pick, chance = self.choices.pick, self.choices.chance
        feature_bits, signed = pick((4, 1, 2, 3, 8, 12)), chance(0.5)
        if chance(0.3):
            features, kept = pick(range(1, 9)), pick(range(1, min(feature_bits, 8) + 1))
            self.layers.append(Quantise("encode", features, feature_bits, signed, kept))
        else:
            features, bits = pick(range(1, 9)), pick(range(1, 20))
            encode = random_encode(self.choices.rng, features, bits, feature_bits, signed)
            self.layers.append(encode)

    def _add_spiking(self, count: int) -> None:
        name, fed, fan_in = self._name("spiking"), self._bits(), self.choices.pick((3, None))
        rng = self.choices.rng
        self.layers.append(
            random_spiking(rng, name, fed, count, fan_in=fan_in, choices=self.choices)
        )

    def _bits(self) -> int:
        """Return how many bits come, after neurons if what comes are numbers."""
        if not self.values.is_bits:
            self.add_dense(self.choices.pick(range(1, 9)))
        return self.values.count

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.layers)}"


def make_chain(choices: Choices) -> Network:
    """Return a network of up to three runs of layers, each flat, of images or of steps."""
    chain = Chain(choices)
    for _ in range(choices.pick(range(4))):
        run = choices.pick(("neurons", "levels", "votes", "image", "image", "steps"))
        if run == "neurons":
            chain.add_neurons(choices.pick(range(1, 9)))
        elif run == "levels":
            chain.add_levels(choices.pick(range(1, 9)))
        else:
            {"votes": chain.add_votes, "image": chain.add_image, "steps": chain.add_steps}[run]()
    chain.add_ending()
    return Network("chain", tuple(chain.layers))


def make_options(choices: Choices, network: Network) -> dict[str, Any]:
    """Return of which form the hardware of ``network`` is: options of ``generate``."""
    pick = choices.pick
    feature_bytes = 8 * -(-network.input.width // 8)
    bus_bits = pick((None, 1, 3))
    named = [layer.name for layer in network.layers if not isinstance(layer, Concepts)]
    some = choices.chance(0.3)
    return {
        "bus_bits": bus_bits and bus_bits * feature_bytes,
        "target": TARGETS[pick(("portable", "ice40", "ecp5", "xilinx"))],
        "depth": pick((None, 1, 2, 3.5)),
        "pipeline": [name for name in named if choices.chance(0.5)] if some else None,
    }


def random_chain(rng: np.random.Generator) -> tuple[Network, dict[str, Any]]:
    """Return a chain and options of its hardware."""
    choices = Choices(rng)
    network = make_chain(choices)
    return network, make_options(choices, network)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Network, dict[str, Any]]:
    """Chains and options of their hardware; all but the weights shrinks."""
    choices = DrawnChoices(draw)
    network = make_chain(choices)
    return network, make_options(choices, network)


def _divisors(number: int) -> Sequence[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]

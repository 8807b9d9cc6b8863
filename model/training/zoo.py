"""The zoo: recipes by name. One entry here is one model."""

import math
from dataclasses import replace
from typing import Any

from htaflow.model.support.errors import BadInputError, did_you_mean
from htaflow.model.training.recipe import (
    ConceptNeurons,
    Conv,
    HeavisideNeurons,
    Neurons,
    Pool,
    Recipe,
    Refinement,
    SpikingNeurons,
    StaircaseNeurons,
)


def _tabled_mnist(
    name: str, first: int, second: int, fan_in: int = 6, wiring: int = 6, **refinement: Any
) -> Recipe:
    """Return a recipe for MNIST whose neurons are any functions of ``fan_in`` pixels or bits.

    ``wiring`` epochs find wires to start from; the ``refinement``, as tables, better wires and
    functions.
    """
    spread = math.sqrt(second / 10)  # of a class's votes, were they random
    return Recipe(
        name=name,
        description=f"28 x 28 digits, {first} + {second} truth tables of {fan_in} inputs",
        thresholds=1,
        encoding="range",
        hidden=(Neurons(first, fan_in, 100), Neurons(second, fan_in, 60)),
        head="vote",
        temperature=0.65 * spread,
        epochs=wiring,
        batch=256,
        learning_rate=0.02,
        noise=0.01,
        refinement=replace(Refinement(temperature=0.42 * spread), **refinement),
    )


ZOO = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="digits",
            description="8 x 8 digits, 200 + 100 neurons of fan-in 6: small enough for an iCE40",
            thresholds=3,
            encoding="range",
            hidden=(Neurons(200, 6, 60), Neurons(100, 6, 40)),
            head="vote",
            temperature=1.5,
            epochs=80,
            batch=64,
            learning_rate=0.03,
            noise=0.03,
        ),
        Recipe(
            name="digits-dense",
            description="8 x 8 digits, 64 dense neurons, every score a sum of all of them",
            thresholds=3,
            encoding="range",
            hidden=(Neurons(64),),
            head="scores",
            temperature=8.0,
            epochs=40,
            batch=64,
            learning_rate=0.01,
            noise=0.03,
        ),
        Recipe(
            name="digits-snn",
            description="8 x 8 digits, 200 + 100 spiking neurons of fan-in 6, 4 steps a frame",
            thresholds=3,
            encoding="range",
            hidden=(SpikingNeurons(200, 6, 60), SpikingNeurons(100, 6, 40)),
            head="vote",
            temperature=3.0,
            epochs=40,
            batch=64,
            learning_rate=0.03,
            noise=0.03,
            steps=4,
        ),
        Recipe(
            name="digits-conv",
            description="8 x 8 digits, convolutions of 16 and 24 channels, then 150 neurons",
            thresholds=2,
            encoding="range",
            hidden=(
                Conv(16),
                Conv(24, fan_in=12, start_fan_in=48),
                Neurons(150, 6, 40),
            ),
            head="vote",
            temperature=2.0,
            epochs=60,
            batch=64,
            learning_rate=0.02,
            noise=0.02,
        ),
        Recipe(
            name="table",
            description="tables of unlike features, 200 + 100 neurons of fan-in 6",
            thresholds=5,
            encoding="quantiles",
            hidden=(Neurons(200, 6, 60), Neurons(100, 6, 40)),
            head="vote",
            temperature=1.5,
            epochs=80,
            batch=64,
            learning_rate=0.03,
            noise=0.03,
        ),
        Recipe(
            name="mnist-small",
            description="28 x 28 digits, 1000 + 600 neurons of fan-in 6",
            thresholds=1,
            encoding="range",
            hidden=(Neurons(1000, 6, 100), Neurons(600, 6, 60)),
            head="vote",
            temperature=5.0,
            epochs=25,
            batch=256,
            learning_rate=0.02,
            noise=0.01,
        ),
        Recipe(
            name="mnist-snn",
            description="28 x 28 digits, 800 + 400 spiking neurons of fan-in 8, 4 steps a frame",
            thresholds=1,
            encoding="range",
            hidden=(SpikingNeurons(800, 8, 100), SpikingNeurons(400, 8, 60)),
            head="vote",
            temperature=8.0,
            epochs=25,
            batch=256,
            learning_rate=0.02,
            noise=0.01,
            steps=4,
        ),
        Recipe(
            name="digits-dhn",
            description="8 x 8 digits of 4 bits, 4 layers of 48 neurons with weights of 4 bits",
            thresholds=1,
            encoding="range",
            hidden=(HeavisideNeurons(48, 8, 24),) * 4,
            head="scores",
            temperature=16.0,
            epochs=40,
            batch=64,
            learning_rate=0.02,
            noise=0.02,
            feature_bits=4,
            head_bits=4,
        ),
        Recipe(
            name="digits-2bit",
            description="8 x 8 digits of 4 bits, 2 layers of 40 neurons of 2 bits, weights of 3",
            thresholds=1,
            encoding="range",
            hidden=(StaircaseNeurons(40, 12, 32, bits=3, levels=3),) * 2,
            head="scores",
            temperature=16.0,
            epochs=40,
            batch=64,
            learning_rate=0.02,
            noise=0.02,
            feature_bits=4,
            head_bits=4,
        ),
        Recipe(
            name="digits-icbm",
            description="8 x 8 digits, 200 neurons, then 24 concepts and their weights of 4 bits",
            thresholds=3,
            encoding="range",
            hidden=(Neurons(200, 6, 60), ConceptNeurons(24, 24, 100)),
            head="scores",
            head_bits=4,
            temperature=6.0,
            epochs=60,
            batch=64,
            learning_rate=0.02,
            noise=0.02,
        ),
        Recipe(
            name="mnist-icbm",
            description="28 x 28 digits, convolutions of 24 and 48 channels, then 64 concepts",
            thresholds=1,
            encoding="range",
            hidden=(
                Conv(24),
                Pool(),
                Conv(48, fan_in=24, start_fan_in=216),
                Pool(),
                ConceptNeurons(64, 96, 1200),
            ),
            head="scores",
            head_bits=4,
            temperature=16.0,
            epochs=20,
            batch=128,
            learning_rate=0.01,
            noise=0.0,
            shift=1,
            centred=0.4,
        ),
        Recipe(
            name="mnist-dhn",
            description="28 x 28 digits of 2 bits, 4 layers of neurons with weights of 4 bits",
            thresholds=1,
            encoding="range",
            hidden=(
                HeavisideNeurons(400, 12, 120),
                HeavisideNeurons(240, 16, 80),
                HeavisideNeurons(160, 16, 60),
                HeavisideNeurons(100, 16, 60),
            ),
            head="scores",
            temperature=24.0,
            epochs=30,
            batch=256,
            learning_rate=0.02,
            noise=0.01,
            shift=1,
            centred=0.4,
            feature_bits=2,
            head_bits=4,
        ),
        Recipe(
            name="mnist-conv-s",
            description="28 x 28 digits, convolutions of 24 and 48 channels, then 1000 neurons",
            thresholds=1,
            encoding="range",
            hidden=(
                Conv(24),
                Pool(),
                Conv(48, fan_in=24, start_fan_in=216),
                Pool(),
                Neurons(1000, 6, 100),
            ),
            head="vote",
            temperature=5.0,
            epochs=20,
            batch=128,
            learning_rate=0.01,
            noise=0.0,
            shift=1,
            centred=0.4,
        ),
        Recipe(
            name="mnist-conv",
            description="28 x 28 digits, convolutions of 32, 64 and 100 channels",
            thresholds=1,
            encoding="range",
            hidden=(
                Conv(32),
                Pool(),
                Conv(64),
                Pool(),
                Conv(100, fan_in=96, start_fan_in=576),
            ),
            head="scores",
            temperature=24.0,
            epochs=14,
            batch=128,
            learning_rate=0.01,
            noise=0.0,
            shift=1,
            centred=0.4,
        ),
        # Rewired, it reaches 97.1 %, but its wires then find no way on an UP5K.
        _tabled_mnist(
            "mnist-up5k", 1200, 500, fan_in=4, wiring=25, epochs=24, rewiring=0.0, centred=0.0
        ),
        _tabled_mnist("mnist-xs", 540, 260),
        _tabled_mnist("mnist-s", 1000, 500, wiring=10),
        _tabled_mnist("mnist-25f", 1200, 640, wiring=10),
        _tabled_mnist("mnist-m", 1800, 1140, epochs=60),
        _tabled_mnist("mnist-l", 2400, 1600, wiring=10, epochs=40),
    )
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe called ``name``. Raises ``BadInputError`` with the nearest name."""
    if name not in ZOO:
        raise BadInputError(f"no model '{name}' in the zoo{did_you_mean(name, ZOO)}")
    return ZOO[name]

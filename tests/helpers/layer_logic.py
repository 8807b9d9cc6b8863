"""The logic of each layer of a random network, evaluated and held against golden."""

import numpy as np
from networks import ENDINGS, random_network

from htaflow.hw.layers import layer_logic
from htaflow.hw.layers.encode import encode_logic
from htaflow.hw.logic.evaluate import evaluate
from htaflow.hw.logic.target import TARGETS
from htaflow.hw.stream.layout import InputLayout
from htaflow.model.integer import golden
from htaflow.model.integer.network import ArgMax


def to_bits(numbers: np.ndarray, width: int) -> np.ndarray:
    """Numbers ``[N, count]`` as bits ``[N, count * width]``, low bit first."""
    spread = numbers[..., None].astype(np.int64) >> np.arange(width) & 1
    return spread.reshape(len(numbers), -1).astype(bool)


def random_choices(seed):
    """A network of any kind from one seed, and a bus width for it."""
    rng = np.random.default_rng(seed)
    network = random_network(
        rng,
        features=int(rng.integers(1, 12)),
        feature_bits=int(rng.integers(1, 9)),
        signed=bool(rng.integers(2)),
        bits=int(rng.integers(1, 30)),
        hidden=tuple(rng.integers(1, 24, rng.integers(0, 3)).tolist()),
        fan_in=[1, 3, 4, 6, 9, None][rng.integers(6)],
        unipolar=bool(rng.integers(2)),
        lookups=rng.choice([0.0, 0.5]),
        weight_bits=2 if seed % 2 else tuple(rng.integers(2, 9, 4).tolist()),
        kept_bits=[0, 1, 0, 2, 3, 4, 0, 5, 6, 7, 8][seed % 11],
        ending=ENDINGS[seed % len(ENDINGS)],
        classes=int(rng.integers(2, 5)),
    )
    return network, [None, 16][seed // len(ENDINGS) % 2]


def check_logic(network, target, frames):
    """Evaluate the chain of logic, each stage fed the one before, and compare it with golden."""
    layout = InputLayout(network.input)
    bits = to_bits(frames, network.encode.feature_bits)
    bits = np.pad(bits, ((0, 0), (0, layout.bus_bits - bits.shape[1])))
    expected = golden.trace(network, frames)
    incoming, known = network.encode, None
    for layer in network.layers:
        if layer is network.encode:
            logic = encode_logic(layer, layout)
        else:
            logic = layer_logic(layer, network.values[incoming.name], TARGETS[target], known)
        bits = evaluate(logic, bits)
        wanted = to_bits(expected[layer.name], network.values[layer.name].width)
        if isinstance(layer, ArgMax):
            scores = to_bits(expected[incoming.name], network.values[incoming.name].width)
            wanted = np.concatenate([wanted, scores], axis=1)
        assert np.array_equal(bits, wanted), layer.name
        known = logic.known_outputs()
        # What is known of the outputs must hold, since those bits get no register.
        for index, (same, flip) in enumerate(zip(known.same, known.flip, strict=True)):
            base = bits[:, same] if same >= 0 else np.zeros(len(bits), bool)
            assert np.array_equal(bits[:, index], base ^ flip), (layer.name, index)
        incoming = layer

"""A membrane's range is proved where every value stays within it, and only there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_spiking

from htaflow.flows.proof.layers.membranes import stays_within
from htaflow.model.integer.network import Spiking


def reached_one_by_one(layer: Spiking, steps: int) -> list[set[int]]:
    """Every value of each membrane in ``steps`` steps, if any current in its bounds can come."""
    least, most = layer.currents
    found = []
    for n in range(len(least)):
        now, ever = {0}, {0}
        for step in range(steps):
            after = set()
            for v in now:
                rest = v if layer.leak is None else v - v // 2**layer.leak
                if step and v >= layer.thresholds[n]:
                    rest = 0 if layer.reset == "zero" else rest - int(layer.resets[n])
                after |= set(range(rest + int(least[n]), rest + int(most[n]) + 1))
            now, ever = after, ever | after
        found.append(ever)
    return found


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_a_membranes_range_holds_if_no_value_leaves_it_and_only_then(seed: int, steps: int) -> None:
    layer = random_spiking(np.random.default_rng(seed), "spikes", 4, 3, fan_in=3)
    reached = reached_one_by_one(layer, steps)
    low = np.array([min(values) for values in reached])
    high = np.array([max(values) for values in reached])
    assert stays_within(layer, steps, low, high)
    assert stays_within(layer, steps, *layer.membranes(steps))
    for n in range(3):
        one = np.arange(3) == n
        assert not stays_within(layer, steps, low + one, high)
        assert not stays_within(layer, steps, low, high - one)


def test_a_leak_that_leaves_gaps_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = random_spiking(np.random.default_rng(0), "spikes", 4, 3, fan_in=3)
    far = np.full(3, 1 << 20)
    assert stays_within(layer, 3, -far, far)
    monkeypatch.setattr(Spiking, "rest", lambda self, v, spikes, neurons: 2 * v)
    assert not stays_within(layer, 3, -far, far)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htaflow.hw.stream.layout import InputLayout, OutputLayout
from htaflow.model.integer.network import Values
from htaflow.model.support.errors import BadInputError


def test_a_frame_in_one_beat_is_dense() -> None:
    layout = InputLayout(Values((3,), 0, 31))
    assert (layout.bus_bits, layout.beats, layout.per_beat) == (16, 1, 3)
    beats = layout.pack(np.array([[1, 2, 31]]))
    assert int.from_bytes(beats[0, 0].tobytes(), "little") == 1 | 2 << 5 | 31 << 10


def test_no_feature_straddles_two_beats() -> None:
    layout = InputLayout(Values((3,), 0, 31), 8)
    assert (layout.bus_bits, layout.beats, layout.per_beat) == (8, 3, 1)
    assert layout.pack(np.array([[1, 2, 31]])).tolist() == [[[1], [2], [31]]]


def test_a_bus_wider_than_a_frame_is_narrowed() -> None:
    assert InputLayout(Values((3,), 0, 31), 512).bus_bits == 16


def test_negative_features_are_twos_complement() -> None:
    layout = InputLayout(Values((2,), -8, 7))
    assert layout.pack(np.array([[-1, -8]])).tolist() == [[[0x8F]]]


@pytest.mark.parametrize("bits", [0, -8, 12, 8])
def test_a_bus_that_cannot_carry_a_feature_is_refused(bits: int) -> None:
    with pytest.raises(BadInputError, match=f"a bus of {bits} bits does not do"):
        InputLayout(Values((3,), 0, 1023), bits)


@given(st.integers(0, 2**32 - 1), st.integers(-300, 0), st.integers(1, 300))
def test_results_unpack_to_what_was_packed(seed: int, low: int, high: int) -> None:
    rng = np.random.default_rng(seed)
    layout = OutputLayout(
        {"class": Values((1,), 0, 1), "scores": Values((3,), low, high), "bits": Values((5,), 0, 1)}
    )
    results = {
        "class": rng.integers(0, 2, (4, 1)),
        "scores": rng.integers(low, high + 1, (4, 3)),
        "bits": rng.integers(0, 2, (4, 5)),
    }
    assert layout.width % 8 == 0
    words = layout.pack(results)
    assert words.shape == (4, layout.width // 8)
    for name, values in layout.unpack(words).items():
        assert np.array_equal(values, results[name]), name

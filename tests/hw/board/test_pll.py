from fractions import Fraction

import pytest

from htaflow.hw.board.pll import MAX_ERROR, PllSettings, find_settings
from htaflow.model.support.errors import BadInputError


@pytest.mark.parametrize(
    ("input_mhz", "output_mhz", "reference", "feedback", "divisor"),
    [  # as Project Trellis's ecppll 1.4 answers
        (25, 80, 5, 16, 7),
        (25, 100, 1, 4, 6),
        (25, 33.3333, 3, 4, 18),
        (12, 16, 3, 4, 37),
    ],
)
def test_settings_are_those_of_ecppll(input_mhz, output_mhz, reference, feedback, divisor):
    settings = find_settings(round(input_mhz * 1e6), round(output_mhz * 1e6))
    assert settings == PllSettings(round(input_mhz * 1e6), reference, feedback, divisor)
    assert settings.output_hz == Fraction(round(input_mhz * 1e6) * feedback, reference)


@pytest.mark.parametrize("input_hz", [8_000_000, 12_000_000, 25_000_000, 400_000_000])
def test_every_setting_keeps_the_limits(input_hz):
    made = 0
    for output_mhz in range(4, 401, 4):
        try:
            settings = find_settings(input_hz, output_mhz * 1_000_000)
        except BadInputError:
            continue
        made += 1
        assert abs(settings.output_hz / (output_mhz * 1_000_000) - 1) <= MAX_ERROR
        assert 1 <= settings.feedback <= 80
        assert 1 <= settings.divisor <= 128
        assert 400e6 <= settings.output_hz * settings.divisor <= 800e6
        assert 3.125e6 <= Fraction(input_hz, settings.reference) <= 400e6
    assert made >= 20


@pytest.mark.parametrize(
    ("input_hz", "output_hz", "message"),
    [
        (25_000_000, 81_000_000, "81 MHz cannot be made from 25 MHz; the nearest: 80 and 81.25"),
        (25_000_000, 400_100_000, "the nearest: 400 MHz$"),
        (25_000_000, 1_000_000, "the nearest: 3.125 MHz$"),
        (4_000_000, 80_000_000, "a PLL takes 8 to 400 MHz, and this oscillator has 4 MHz"),
        (500_000_000, 80_000_000, "this oscillator has 500 MHz"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_nearest(input_hz, output_hz, message):
    with pytest.raises(BadInputError, match=message):
        find_settings(input_hz, output_hz)

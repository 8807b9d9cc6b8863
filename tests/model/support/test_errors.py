"""What is said of long texts and names."""

import time

from htaflow.model.support.errors import abbreviate, did_you_mean


def test_what_is_shown_of_a_long_text_is_short_and_has_both_ends() -> None:
    assert abbreviate("ab") == "'ab'"
    assert len(abbreviate("x" * 10**6)) == len(abbreviate(["y" * 100] * 9)) <= 60
    assert abbreviate("a\nb") == "'a\\nb'"


def test_the_nearest_of_a_very_long_name_is_looked_for_in_no_time() -> None:
    begun = time.monotonic()
    assert did_you_mean("x" * 10**7, ["Encode"]) == "; known: Encode"
    assert time.monotonic() - begun < 60

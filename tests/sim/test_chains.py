"""Layers of every kind in any order, for any part: hardware simulates as golden computes."""

import pytest
from chains import chains
from conftest import write_run
from hypothesis import HealthCheck, given, settings

from htaflow.sim.verify import verify_rtl

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def check(chain, folder):
    network, options = chain
    result = verify_rtl(write_run(folder / "run", network, 24, **options))
    assert (result["mismatches"], result["problems"]) == (0, [])


@settings(max_examples=12, suppress_health_check=SLOW)
@given(chain=chains())
def test_chains_simulate_as_golden_computes(chain, tmp_path_factory):
    check(chain, tmp_path_factory.mktemp("chain"))


@pytest.mark.slow
@settings(max_examples=160, suppress_health_check=SLOW)
@given(chain=chains())
def test_many_chains_simulate_as_golden_computes(chain, tmp_path_factory):
    check(chain, tmp_path_factory.mktemp("chain"))

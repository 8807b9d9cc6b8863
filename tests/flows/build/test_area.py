import numpy as np
import pytest
from networks import random_network

from htaflow.flows.build.area import count_area
from htaflow.model.support.errors import BadInputError


def slow(target):
    return pytest.param(target, marks=pytest.mark.slow)


def network():
    return random_network(np.random.default_rng(1), hidden=(20,), fan_in=4, classes=3)


@pytest.mark.parametrize("target", ["ice40", *(slow(t) for t in ("xilinx", "ecp5"))])
def test_the_core_is_counted_and_a_count_is_kept(target, tmp_path):
    result = count_area(network(), target, tmp_path / "count")
    assert result["LUT"] == min(result["mappings"].values()) > 0
    assert result["LUT"] == sum(result["LUT_sizes"].values())
    assert result["FF"] > 0
    assert result["carry"] == 0
    said: list[str] = []
    assert count_area(network(), target, tmp_path / "count", progress=said.append) == result
    assert said == [f"count random for {target}: unchanged"]
    assert (tmp_path / "count" / "cells" / "yosys.log").is_file()


def test_a_target_that_cannot_be_counted_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="'portable' cannot be counted; use xilinx, ice40"):
        count_area(network(), "portable", tmp_path)

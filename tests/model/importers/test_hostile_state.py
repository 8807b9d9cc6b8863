"""State dicts that mean no good.

Each of these once crashed, hung or filled memory, or easily could.
"""

import json
from typing import Any

import numpy as np
import pytest
from fuzz.targets.snntorch import snn_seeds

from htaflow.model.importers.snntorch import from_snntorch
from htaflow.model.integer.network import (
    Encode,
)
from htaflow.model.support.errors import BadInputError


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"fc1.weight": [["a"]]}, {}, "which is no number"),
        ({"fc1.weight": [[float("nan")] * 4] * 3}, {}, "not finite"),
        ({"fc1.weight": [[1e300] * 4] * 3}, {}, "too large times 2"),
        ({"fc1.bias": [0.5]}, {}, "has 1 biases for 3 neurons"),
        ({"lif1.threshold": [1.0, 1.0]}, {}, r"has a threshold of shape \[2\] for 3 neurons"),
        ({"lif1.beta": []}, {}, r"has a beta of shape \[0\] for 3 neurons"),
        ({"lif1.reset_mechanism_val": 7}, {}, "has an unknown reset"),
        ({"lif1.reset_mechanism_val": -1}, {}, "has an unknown reset"),
        ({"lif1.inhibition": [False, True]}, {}, "has 'inhibition', so it is no Leaky"),
        ({"fc1.weight": np.ones((0, 4))}, {}, r"has weights of shape \[0, 4\]"),
        ({}, {"steps": 10**30}, "use 1 to 1024"),
        ({}, {"steps": 0}, "use 1 to 1024"),
        ({}, {"steps": 100}, "99 bits behind the point"),
        ({}, {"scale": float("inf")}, "scale is inf"),
    ],
)
def test_a_state_dict_that_is_none_is_refused(
    changes: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    (seed,) = snn_seeds()
    given = json.loads(seed)
    state = {key: np.asarray(value) for key, value in {**given["state"], **changes}.items()}
    encode = Encode("encode", 4, 8, False, np.arange(4), np.full(4, 128))
    arguments = {"steps": given["steps"], "scale": given["scale"], **options}
    with pytest.raises(BadInputError, match=message):
        from_snntorch(state, encode, **arguments)

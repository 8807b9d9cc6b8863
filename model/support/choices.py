"""Choices that recipes and modules share by name: plain types, so that recipes need no torch."""

from typing import Literal

Rule = Literal["range", "quantiles"]
"""Where an encoder's thresholds are put, see :mod:`htaflow.model.nn.encode`."""

WeightGradient = Literal["straight-through", "htaf"]
"""What the gradient of a sign is: the identity's, or that of ``2 * htaf(latent) - 1``."""

"""PyTorch modules that train with HTAF, and their lowering to the integer network."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.model.nn.activation import HTAF, hard_htaf, htaf
    from htaflow.model.nn.binary_linear import BinaryLinear, SparseBinaryLinear, binary_linear
    from htaflow.model.nn.block import Block, GroupSum, Hidden, Scores
    from htaflow.model.nn.concept import Concepts
    from htaflow.model.nn.conv import BinaryConv2d, Flatten, MaxPool2d, Unflatten
    from htaflow.model.nn.encode import Encoder, Quantiser, choose_thresholds
    from htaflow.model.nn.heaviside import Heaviside
    from htaflow.model.nn.integer_linear import IntegerLinear
    from htaflow.model.nn.lookup import LookupNeurons, tabulate
    from htaflow.model.nn.lowering.lower import lower, prove_lowering
    from htaflow.model.nn.network import BinaryNetwork
    from htaflow.model.nn.spiking import Accumulate, Spiking, Steps
    from htaflow.model.nn.staircase import Staircase
    from htaflow.model.nn.surrogates import SURROGATES, Surrogate

__all__ = [
    "HTAF",
    "SURROGATES",
    "Accumulate",
    "BinaryConv2d",
    "BinaryLinear",
    "BinaryNetwork",
    "Block",
    "Concepts",
    "Encoder",
    "Flatten",
    "GroupSum",
    "Heaviside",
    "Hidden",
    "IntegerLinear",
    "LookupNeurons",
    "MaxPool2d",
    "Quantiser",
    "Scores",
    "SparseBinaryLinear",
    "Spiking",
    "Staircase",
    "Steps",
    "Surrogate",
    "Unflatten",
    "binary_linear",
    "choose_thresholds",
    "hard_htaf",
    "htaf",
    "lower",
    "prove_lowering",
    "tabulate",
]

export(
    __name__,
    {
        "activation": "HTAF hard_htaf htaf",
        "binary_linear": "BinaryLinear SparseBinaryLinear binary_linear",
        "block": "Block GroupSum Hidden Scores",
        "concept": "Concepts",
        "conv": "BinaryConv2d Flatten MaxPool2d Unflatten",
        "encode": "Encoder Quantiser choose_thresholds",
        "heaviside": "Heaviside",
        "integer_linear": "IntegerLinear",
        "lookup": "LookupNeurons tabulate",
        "lowering.lower": "lower prove_lowering",
        "network": "BinaryNetwork",
        "spiking": "Accumulate Spiking Steps",
        "staircase": "Staircase",
        "surrogates": "SURROGATES Surrogate",
    },
)

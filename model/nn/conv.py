"""Convolutions in PyTorch: the neurons of a hidden layer over every window of an image.

Images are ``[N, channels, height, width]``. Each block is lowered exactly, to the integer layer
whose conventions (windows, padding, order of bits) it shares: see :mod:`htaflow.model.integer`.
"""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from htaflow.model.integer import network
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import binary_linear
from htaflow.model.nn.block import Block, Hidden
from htaflow.model.nn.surrogates import Surrogate
from htaflow.model.support.arguments import checked


def require_window(kernel: int, stride: int) -> None:
    """Raise ``ValueError`` if ``kernel`` or ``stride``, in pixels, is below 1."""
    for what, pixels in (("kernel", kernel), ("stride", stride)):
        if pixels < 1:
            raise ValueError(f"{what} is {pixels}; use at least 1")


def _require_images(bits: Tensor, least: int) -> None:
    """Raise ``ValueError`` unless ``bits`` are images of at least ``least`` rows and columns."""
    if bits.dim() != 4:
        raise ValueError(f"it takes images [N, channels, height, width], not {list(bits.shape)}")
    if min(bits.shape[2:]) < least:
        size = " x ".join(map(str, bits.shape[2:]))
        raise ValueError(f"an image of {size} pixels has no window; use a smaller kernel")


class BinaryConv2d(Hidden):
    """Sums over windows, batch normalisation, HTAF: a layer of binary neurons over an image.

    Input ``[N, in, height, width]``, output ``[N, out, rows, columns]`` with
    ``rows = (height + 2 * padding - kernel) // stride + 1`` and columns likewise; both bits when
    hard and in [0, 1] when smooth.

    Args:
        in_channels: channels of the image.
        out_channels: neurons.
        kernel: height and width of a window.
        activation: as of a :class:`htaflow.model.nn.block.Hidden`.
        stride: pixels between windows.
        padding: pixels added on each side.
        pad_bit: what each of their channels is, 0 or 1.
        fan_in: inputs that each neuron keeps, of ``in_channels * kernel * kernel``; which ones is
            learned, as by a :class:`htaflow.model.nn.binary_linear.SparseBinaryLinear`. ``None``
            for all.
        start_fan_in: where the annealing of the fan-in begins.
    """

    neurons_axis = 1

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        activation: HTAF | Surrogate,
        *,
        stride: int = 1,
        padding: int = 0,
        pad_bit: int = 0,
        fan_in: int | None = None,
        start_fan_in: int | None = None,
    ) -> None:
        require_window(kernel, stride)
        if not 0 <= padding < kernel:
            raise ValueError(f"padding is {padding}; use 0 to {kernel - 1}, less than the kernel")
        if pad_bit not in (0, 1):
            raise ValueError(f"pad_bit is {pad_bit}; use 0 or 1")
        window = in_channels * kernel * kernel
        super().__init__(binary_linear(window, out_channels, fan_in, start_fan_in), activation)
        self.norm = nn.BatchNorm2d(out_channels)
        self.in_channels = in_channels
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.pad_bit = pad_bit

    def sums(self, bits: Tensor) -> Tensor:
        """Return the weighted sums of each window, ``[N, out, rows, columns]``."""
        _require_images(bits, self.kernel - 2 * self.padding)
        if bits.shape[1] != self.in_channels:
            raise ValueError(f"it takes {self.in_channels} channels, and {bits.shape[1]} come in")
        image = F.pad(2 * bits - 1, [self.padding] * 4, value=2.0 * self.pad_bit - 1)
        weight = self.linear.weight.to(image.dtype)
        weight = weight.view(-1, self.in_channels, self.kernel, self.kernel)
        return F.conv2d(image, weight, stride=self.stride)

    def lower(self, name: str) -> network.Conv2d:
        """Fold the normalisation into integer thresholds, exactly."""
        neurons = self.fold(name)
        assert neurons.thresholds is not None
        return network.Conv2d(
            name,
            (self.kernel, self.kernel),
            neurons.weights,
            neurons.thresholds,
            stride=(self.stride, self.stride),
            padding=(self.padding, self.padding),
            pad_bit=self.pad_bit,
        )

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return (
            f"in_channels={self.in_channels}, kernel={self.kernel}, stride={self.stride}, "
            f"padding={self.padding}, pad_bit={self.pad_bit}"
        )


class MaxPool2d(Block):
    """The largest activation of each channel in each window of an image; of bits, their OR.

    Input ``[N, channels, height, width]``, output ``[N, channels, rows, columns]``, as many windows
    as fit. ``stride`` is the kernel by default. Raises ``ValueError`` if one of them is below 1.
    """

    @checked
    def __init__(self, kernel: int, stride: int | None = None) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = kernel if stride is None else stride
        require_window(kernel, self.stride)

    def forward(self, bits: Tensor) -> Tensor:
        """Return the largest activations."""
        _require_images(bits, self.kernel)
        return F.max_pool2d(bits, self.kernel, self.stride)

    def lower(self, name: str) -> network.MaxPool2d:
        """Return the same windows as an integer layer."""
        return network.MaxPool2d(name, (self.kernel,) * 2, stride=(self.stride,) * 2)

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"kernel={self.kernel}, stride={self.stride}"


class Unflatten(Block):
    """Flat bits ``[N, bits]`` as images ``[N, *shape]``, shape being (channels, height, width)."""

    @checked
    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"shape is {tuple(shape)}; use (channels, height, width), 1 and up")
        channels, height, width = shape
        self.shape = (channels, height, width)

    def forward(self, bits: Tensor) -> Tensor:
        """Return the same bits as images."""
        if bits.shape[1:] != (math.prod(self.shape),):
            raise ValueError(f"{list(bits.shape)} come in, which are no images of {self.shape}")
        return bits.reshape(len(bits), *self.shape)

    def lower(self, name: str) -> network.Unflatten:
        """Return the same order as an integer layer."""
        return network.Unflatten(name, self.shape)

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"shape={self.shape}"


class Flatten(Block):
    """Images ``[N, channels, height, width]`` as flat bits, channel 0 first."""

    def forward(self, bits: Tensor) -> Tensor:
        """Return the same bits, ``[N, bits]``."""
        return bits.flatten(1)

    def lower(self, name: str) -> network.Flatten:
        """Return the same order as an integer layer."""
        return network.Flatten(name)

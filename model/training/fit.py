"""The training loop: epochs, schedules, checkpoints.

Each epoch draws its random numbers (the order of the frames, the noise) from a generator seeded
with the training's seed and the epoch's number. So training that was cut off and resumed goes
through the same numbers as training that was not, and on the same machine, with the same number of
threads, ends in the same bits.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htaflow.model.data.dataset import Dataset
from htaflow.model.data.features import Shape
from htaflow.model.integer.network import IntArray
from htaflow.model.nn.activation import sharpness
from htaflow.model.nn.binary_linear import SparseBinaryLinear
from htaflow.model.nn.block import Hidden
from htaflow.model.nn.encode import Encoder, Quantiser
from htaflow.model.nn.integer_linear import IntegerLinear
from htaflow.model.nn.network import BinaryNetwork, Mode
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import Epoch
from htaflow.model.training.checkpoint import Progressed, load_checkpoint, save_checkpoint
from htaflow.model.training.drop_and_grow import ROUNDS_PER_EPOCH, SAMPLE_FRAMES, rewire, share_now
from htaflow.model.training.recipe import Recipe

_CHUNK = 500  # frames at once where nothing is learned: bounds memory
_SEEDS = 1_000_003  # spreads (seed, epoch) pairs; a prime


def fit(
    model: BinaryNetwork,
    recipe: Recipe,
    dataset: Dataset,
    *,
    mode: Mode,
    seed: int,
    epochs: int,
    checkpoint: Path,
    configuration: dict[str, Any],
    progress: Progress = silent,
) -> Progressed:
    """Train ``model`` in place, from ``checkpoint`` on if that file is there.

    Args:
        model: what :func:`htaflow.model.training.assemble.build_model` returned for this recipe and
            dataset.
        recipe: how to train.
        dataset: frames to learn from and to report accuracy on.
        mode: ``hard`` goes forward through the step and back through HTAF's derivative;
            ``smooth`` goes both ways through HTAF, whose sharpness rises.
        seed: of all random numbers.
        epochs: passes over the training frames; schedules are stretched over them.
        checkpoint: file written after each epoch.
        configuration: what the checkpoint says that it belongs to.
        progress: told one line an epoch.

    Returns:
        The history, and the seconds that training took, over all its parts.

    Raises:
        BadInputError: the checkpoint cannot be continued; the loss or a parameter is not finite.
    """
    draw = _Frames(
        model.encoder, dataset.x_train, dataset.image_shape, recipe.shift, recipe.centred
    )
    x_test = encode(model.encoder, dataset.x_test)
    y_train, y_test = torch.from_numpy(dataset.y_train), torch.from_numpy(dataset.y_test)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
    done = Progressed(0, 0.0, [])
    if checkpoint.exists():
        done = load_checkpoint(checkpoint, configuration, model, optimizer)
        progress(f"resuming after epoch {done.epochs}/{epochs}")
    for epoch in range(done.epochs, epochs):
        begun = time.monotonic()
        numbers = torch.Generator().manual_seed((seed * _SEEDS + epoch) % (1 << 63))
        model.train()
        model.set_mode(mode)
        batches = list(_batches(len(y_train), recipe.batch, numbers))
        losses, right, seen = 0.0, 0, 0
        rewirings = {len(batches) * part // ROUNDS_PER_EPOCH for part in range(ROUNDS_PER_EPOCH)}
        for index, batch in enumerate(batches):
            share = (epoch + index / len(batches)) / epochs
            _schedule(model, optimizer, recipe, mode, share)
            rewired = share_now(recipe.rewiring, share)
            if rewired > 0 and share > 0 and index in rewirings:
                sample = torch.randint(len(y_train), (SAMPLE_FRAMES,), generator=numbers)
                frames, labels = draw(sample, numbers), y_train[sample]
                rewire(model, optimizer, frames, labels, recipe.temperature, rewired)
            high = model.encoder.high
            bits, labels = _flip(draw(batch, numbers), high, recipe.noise, numbers), y_train[batch]
            scores = model.decide(bits)
            loss = F.cross_entropy(scores / recipe.temperature, labels)
            if not torch.isfinite(loss):
                raise BadInputError(
                    f"epoch {epoch + 1}, step {index + 1}: the loss is {loss.item()}; "
                    "try another seed, or a recipe with a smaller learning rate"
                )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses += loss.item()
            right += int((scores.argmax(dim=1) == labels).sum())
            seen += len(labels)
        entry = Epoch(
            epoch=epoch + 1,
            loss=losses / len(batches),
            train_accuracy=right / seen,
            test_accuracy=accuracy(model, x_test, y_test),
        )
        seconds = done.seconds + time.monotonic() - begun
        done = Progressed(epoch + 1, seconds, [*done.history, entry])
        save_checkpoint(checkpoint, configuration, done, model, optimizer)
        progress(_line(done, epochs))
    _schedule(model, optimizer, recipe, mode, 1.0)
    return done


def encode(encoder: Encoder | Quantiser, frames: IntArray) -> Tensor:
    """Return encoded frames as uint8, ``[N, width]``: a quarter of the memory of floats."""
    chunks = torch.split(torch.as_tensor(frames, dtype=torch.int32), _CHUNK)
    return torch.cat([encoder(chunk).to(torch.uint8) for chunk in chunks])


@torch.no_grad()
def accuracy(
    model: BinaryNetwork, bits: Tensor, labels: Tensor, *, mode: Mode | None = None
) -> float:
    """Return the share of encoded frames whose class is right.

    The forward pass is that of training in ``mode``; without one, every activation is the step.
    """
    model.eval()
    if mode is None:
        model.set_hard(True)
    else:
        model.set_mode(mode)
    chunks = zip(torch.split(bits, _CHUNK), torch.split(labels, _CHUNK), strict=True)
    right = sum(int((model.decide(x.float()).argmax(dim=1) == y).sum()) for x, y in chunks)
    return right / len(labels)


@torch.no_grad()
def calibrate(model: BinaryNetwork, bits: Tensor) -> None:
    """Set each normalisation to the statistics of all training frames in the hard forward pass.

    Training leaves running averages over its last steps, of noisy inputs and, in smooth mode, of
    activations that are not quite bits; the hardware sees neither.
    """
    model.eval()
    model.set_hard(True)
    blocks = model.blocks
    for index, block in enumerate(blocks):
        if isinstance(block, Hidden):
            # Computed anew from the frames on: images of many channels are too many to be kept.
            before = nn.Sequential(*blocks[:index])
            block.calibrate(before(chunk.float()) for chunk in torch.split(bits, _CHUNK))


class _Frames:
    """Encoded training frames; where they are images, moved at random by up to ``shift``.

    A share ``centred`` of them stays, and of the others some, by chance.
    """

    def __init__(
        self,
        encoder: Encoder | Quantiser,
        frames: IntArray,
        shape: Shape | None,
        shift: int,
        centred: float,
    ) -> None:
        self._encoder = encoder
        self._centred = centred
        if shift == 0 or shape is None:
            self._bits, self._maps = encode(encoder, frames), None
            return
        # One more feature, always 0, is what moves in from outside the image.
        padded = np.pad(frames, ((0, 0), (0, 1)))
        narrow = np.uint8 if frames.min() >= 0 and frames.max() < 256 else np.int32
        self._bits = torch.from_numpy(padded.astype(narrow))
        features, (_, height, width) = frames.shape[1], shape
        around = ((0, 0), (shift, shift), (shift, shift))
        image = np.pad(np.arange(features).reshape(shape), around, constant_values=features)
        steps = range(2 * shift + 1)
        moved = [image[:, y : y + height, x : x + width].ravel() for y in steps for x in steps]
        self._maps = torch.from_numpy(np.stack(moved))

    def __call__(self, batch: Tensor, numbers: torch.Generator) -> Tensor:
        """Return the bits of the frames that ``batch`` lists, ``[len(batch), bits]``."""
        if self._maps is None:
            return self._bits[batch].float()
        chosen = torch.randint(len(self._maps), (len(batch),), generator=numbers)
        stays = torch.rand(len(batch), generator=numbers) < self._centred
        chosen[stays] = len(self._maps) // 2  # the map in the middle moves nothing
        bits: Tensor = self._encoder(self._bits[batch].gather(1, self._maps[chosen]))
        return bits


def _batches(count: int, size: int, numbers: torch.Generator) -> Iterator[Tensor]:
    """Yield the indices of each batch; an incomplete last batch is dropped."""
    order = torch.randperm(count, generator=numbers)
    size = min(size, count)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


def _flip(values: Tensor, high: int, share: float, numbers: torch.Generator) -> Tensor:
    """Return ``values``, 0 to ``high``, with all bits of a random ``share`` of them flipped."""
    if share == 0:
        return values
    flips = torch.rand(values.shape, generator=numbers) < share
    return torch.where(flips, high - values, values)


def _schedule(
    model: BinaryNetwork,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    mode: Mode,
    progress: float,
) -> None:
    """Set learning rate, sharpness and fan-in for the share ``progress`` of training."""
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate * (1 + math.cos(math.pi * progress)) / 2
    for activation in model.activations():
        smooth = mode == "smooth" or activation.sharpening
        start, end = recipe.smooth_alpha if smooth else recipe.hard_alpha
        activation.alpha = sharpness(start, end, progress)
    for module in model.modules():
        if isinstance(module, SparseBinaryLinear | IntegerLinear):
            module.anneal(progress / recipe.annealing)


def _line(done: Progressed, epochs: int) -> str:
    """Describe the last epoch and how long the rest will take."""
    last = done.history[-1]
    left = round(done.seconds / done.epochs * (epochs - done.epochs))
    return (
        f"epoch {done.epochs:{len(str(epochs))}}/{epochs}  loss {last['loss']:.4f}  "
        f"train {100 * last['train_accuracy']:.2f} %  test {100 * last['test_accuracy']:.2f} %  "
        f"{left // 60}:{left % 60:02} left"
    )

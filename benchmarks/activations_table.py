"""The Markdown of ``activations.py``: tables of measured cells, and what can be read from them."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from htaflow.model.nn.binary_linear import HTAF_ALPHA, HTAF_BETA, LATENT_RANGE

LABELS = {
    "htaf-hard": "HTAF, hard",
    "htaf-hard-weights": "HTAF, hard, weights too",
    "htaf-hard-2": "HTAF, hard, alpha 2",
    "htaf-smooth": "HTAF, smooth",
    "straight": "straight-through",
    "sigmoid": "sigmoid",
    "arctan": "arctan",
}
CRITICAL = 2.776  # Student's t, two-sided 5 %, 4 degrees of freedom: five seeds


@dataclass(frozen=True)
class Cell:
    """One activation at one depth and wiring: five trainings with the chosen settings.

    ``runs`` are results in the order of the seeds; ``same`` are trials with settings that are the
    same for all activations.
    """

    activation: str
    wiring: str
    depth: int
    learning_rate: float
    slope: float
    runs: list[dict[str, Any]]
    same: list[dict[str, Any]]

    def points(self, name: str = "test") -> list[float]:
        """Return a share of each run, in percent."""
        return [100 * run[name] for run in self.runs]


Cells = dict[tuple[str, str, int], Cell]

INTRODUCTION = """# HTAF against the usual surrogates

What is compared: the step forward, and backward the derivative of HTAF (hard HTAF), of the clipped
straight-through estimator, of the sigmoid, or of the arctangent; and smooth HTAF, which goes both
ways through HTAF while alpha rises from 4 to 64, and gets the step at the end. All have the same
slope s at 0 at the same place of the grid (smooth HTAF at the start of training), and areas of 1
under the derivative, but HTAF: 0.96 for alpha 4, 0.76 for alpha 2. What differs is the tail of the
derivative: none for straight-through, exp(-4 s |x|) for the sigmoid and for HTAF of alpha 2 (the
zoo's default), exp(-2 s |x|) for HTAF of alpha 4 (meant where no alpha is named), 1 / x^2 for the
arctangent: so alpha 2 is HTAF without the heavy tail.
Accuracy is that of the network with steps, as it would be lowered to hardware.
"""

PAIRED = (
    "Paired by seed; in brackets seeds won, equal, lost. Bold: unlike 0 by a paired t-test at 5 %, "
    "for the settings chosen; of so many comparisons one in twenty is bold by chance.\n"
)

LIMITS = """Limits: one small data set (of the digits, one test frame is 0.28 points). The grid has
two learning rates, so every chosen one is at its edge, and a choice is shared by all five seeds, so
a bold difference is one between chosen settings. Every depth gets the same number of epochs, which
is few for 16 layers. An average over depths is mostly that of the deepest, where all spread widely.
"""

WEIGHTS = f"""## Weights through HTAF too

Above, every gradient of a weight's sign goes straight through to the latent weight. Here hard HTAF
is trained once more, and the sign's gradient is that of 2 HTAF - 1 with alpha {HTAF_ALPHA:g} and
beta {HTAF_BETA:g}, where latent weights start within {LATENT_RANGE:g} of 0. This beta was chosen
from 1, 3 and 10 by held-back frames, two seeds at 2 layers, before all that follows, and is the
same for all cells; learning rate and slope at 0 of the activations are chosen anew.
"""

PAPER = """## What the paper claims

"A Composite Activation Function for Learning Stable Binary Representations" (arXiv:2605.11558)
introduces HTAF as a smooth approximation of the step. Of the paper only the abstract was at hand
here. It says that HTAF keeps a large gradient mass around zero and that its gradient decays slowly
in the tails (a property of the formula, which our tests check for our parametrisation); that
spiking, binary and deep Heaviside networks can be trained stably with it; and that its concept
bottleneck models discretise stably at accuracy comparable to or better than that of standard
models. It gives no numbers, names no rival surrogate, and defines HTAF only as a composite of
sigmoid and hyperbolic tangent: parametrisation and schedule here are ours, and so may differ. Its
data are images, in various architectures; these are small networks for FPGAs, with batch
normalisation in each layer and Adam, both of which make up for much of what a vanishing gradient
does.
"""


def markdown(
    found: Iterable[Cell],
    depths: Sequence[int],
    wirings: Sequence[str],
    activations: Sequence[str],
    protocol: dict[str, str],
) -> str:
    """Return the whole document, of the cells that are there.

    ``activations`` are compared with each other; what is also trained with weights through HTAF is
    compared only with itself without.
    """
    every: Cells = {(cell.activation, cell.wiring, cell.depth): cell for cell in found}
    if not every:
        return f"{INTRODUCTION}\nNothing is finished yet.\n"
    missing = len(depths) * len(wirings) * (len(activations) + 1) - len(every)
    cells = {key: cell for key, cell in every.items() if key[0] in activations}
    parts = [INTRODUCTION, "".join(f"- {name}: {text}\n" for name, text in protocol.items())]
    if missing:
        parts.append(f"Not finished: {missing} cells are missing (-).\n")
    parts.append("## What was seen\n")
    parts.append(_reading(cells, depths, wirings, activations))
    parts.append("## Test accuracy, %: mean ± standard deviation over five seeds\n")
    parts += [_table(cells, depths, wirings, activations, _accuracy, best=True)]
    rivals = [name for name in activations if not name.startswith("htaf")]
    for one, others in (
        ("htaf-hard", ["htaf-hard-2", *rivals]),
        ("htaf-smooth", ["htaf-hard", *rivals]),
    ):
        parts.append(f"## {LABELS[one]}, minus the others, in points of test accuracy\n")
        parts.append(PAIRED)
        parts.append(_paired(cells, depths, wirings, one, others))
        parts.append(_wins(cells, depths, wirings, one, others))
    parts.append(LIMITS)
    parts.append(_weights(every, depths, wirings))
    parts.append(PAPER)
    parts.append("## Other measures\n")
    parts.append("Chosen learning rate, slope at 0:\n")
    parts.append(_table(cells, depths, wirings, activations, _settings))
    parts.append(_edges(cells, activations))
    parts.append(
        "Gradient at the start: root mean square over the first hidden layer's latent weights, "
        "divided by the last hidden layer's; geometric mean of two seeds at slope 0.5 for all. "
        "With the step forward, a heavier tail at the same slope and area leaves less of the "
        "derivative near 0, where batch normalisation puts most sums, so less of the gradient "
        "comes through. "
        "Adam undoes a common factor, so a small number by itself does no harm.\n"
    )
    parts.append(_table(cells, depths, wirings, activations, _gradient))
    parts.append("Hidden neurons that are constant over the test frames after training, %:\n")
    parts.append(_table(cells, depths, wirings, activations, _constant))
    parts.append("Smooth HTAF before and after its steps are put in, test accuracy, %:\n")
    parts.append(_table(cells, depths, wirings, ["htaf-smooth"], _hardening))
    return "\n".join(parts)


def _weights(cells: Cells, depths: Sequence[int], wirings: Sequence[str]) -> str:
    """Return the section on hard HTAF with weights through HTAF, against it without."""
    both = "htaf-hard", "htaf-hard-weights"
    parts = [
        WEIGHTS,
        "Test accuracy, %: mean ± standard deviation over five seeds:\n",
        _table(cells, depths, wirings, both, _accuracy),
        f"{LABELS[both[1]]}, minus {LABELS[both[0]]}, in points of test accuracy. {PAIRED}",
        _paired(cells, depths, wirings, both[1], both[:1]),
        _wins(cells, depths, wirings, both[1], both[:1]),
        "Chosen learning rate, slope at 0:\n",
        _table(cells, depths, wirings, both, _settings),
    ]
    return "\n".join(parts)


def _accuracy(cell: Cell) -> str:
    points = cell.points()
    return f"{statistics.mean(points):.2f} ± {statistics.stdev(points):.2f}"


def _settings(cell: Cell) -> str:
    return f"{cell.learning_rate:g}, {cell.slope:g}"


def _edges(cells: Cells, activations: Sequence[str]) -> str:
    """Say who chose the extreme slopes: those may want a grid that goes further."""
    slopes = [cell.slope for cell in cells.values()]
    texts = []
    for name in activations:
        own = [cell.slope for cell in cells.values() if cell.activation == name]
        texts.append(f"{LABELS[name]} {own.count(min(slopes))} and {own.count(max(slopes))}")
    return (
        "Cells with the smallest and with the largest slope, where a wider grid might do better: "
        f"{'; '.join(texts)}.\n"
    )


def _gradient(cell: Cell) -> str:
    logs = [math.log(run["gradient"][0] / run["gradient"][-1]) for run in cell.same]
    return f"{math.exp(statistics.mean(logs)):.2g}"


def _constant(cell: Cell) -> str:
    return f"{statistics.mean(cell.points('constant')):.1f}"


def _hardening(cell: Cell) -> str:
    return f"{statistics.mean(cell.points('own')):.2f} → {statistics.mean(cell.points()):.2f}"


def _header(first: str, depths: Sequence[int]) -> str:
    columns = "".join(f" {depth} layers |" for depth in depths)
    return f"| wiring | {first} |{columns}\n|---|---|{'---|' * len(depths)}\n"


def _table(
    cells: Cells,
    depths: Sequence[int],
    wirings: Sequence[str],
    activations: Sequence[str],
    write: Any,
    *,
    best: bool = False,
) -> str:
    """Return a table of ``write(cell)``; with ``best``, the largest mean accuracy is bold."""
    lines = [_header("activation", depths)]
    for wiring in wirings:
        for activation in activations:
            entries = []
            for depth in depths:
                cell = cells.get((activation, wiring, depth))
                text = write(cell) if cell else "-"
                if best and cell and cell is _best(cells, wiring, depth):
                    text = f"**{text}**"
                entries.append(f" {text} |")
            lines.append(f"| {wiring} | {LABELS[activation]} |{''.join(entries)}\n")
    return "".join(lines)


def _best(cells: Cells, wiring: str, depth: int) -> Cell:
    here = [cell for (_, w, d), cell in cells.items() if (w, d) == (wiring, depth)]
    return max(here, key=lambda cell: statistics.mean(cell.points()))


def _differences(cells: Cells, one: str, other: str, wiring: str, depth: int) -> list[float]:
    """Return the difference of each seed; none if either cell is missing."""
    first, second = cells.get((one, wiring, depth)), cells.get((other, wiring, depth))
    if first is None or second is None:
        return []
    pairs = zip(first.points(), second.points(), strict=True)
    return [round(a - b, 9) for a, b in pairs]


def _clear(differences: list[float]) -> bool:
    """Return whether a paired t-test at 5 % tells the differences from 0."""
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return abs(statistics.mean(differences)) > CRITICAL * error


def _paired(
    cells: Cells,
    depths: Sequence[int],
    wirings: Sequence[str],
    one: str,
    others: Sequence[str],
) -> str:
    lines = [_header("minus", depths)]
    for wiring in wirings:
        for other in others:
            entries = []
            for depth in depths:
                differences = _differences(cells, one, other, wiring, depth)
                if not differences:
                    entries.append(" - |")
                    continue
                signs = [(d > 0) - (d < 0) for d in differences]
                counts = f"{signs.count(1)}-{signs.count(0)}-{signs.count(-1)}"
                text = f"{round(statistics.mean(differences), 2) + 0.0:+.2f}"  # no -0.00
                text = f"**{text}**" if _clear(differences) else text
                entries.append(f" {text} ({counts}) |")
            lines.append(f"| {wiring} | {LABELS[other]} |{''.join(entries)}\n")
    return "".join(lines)


def _wins(
    cells: Cells,
    depths: Sequence[int],
    wirings: Sequence[str],
    one: str,
    others: Sequence[str],
) -> str:
    """Say, for each rival, in how many cells ``one`` wins and loses."""
    lines = []
    for other in others:
        for wiring in wirings:
            every = [_differences(cells, one, other, wiring, depth) for depth in depths]
            found = [differences for differences in every if differences]
            if not found:
                continue
            clear = [statistics.mean(d) for d in found if _clear(d)]
            by_seed = [statistics.mean(column) for column in zip(*found, strict=True)]
            unlike = "clearly" if _clear(by_seed) else "not clearly"
            lines.append(
                f"- {LABELS[one]} against {LABELS[other]}, {wiring}: "
                f"{statistics.mean(by_seed):+.2f} points on average over {len(found)} depths "
                f"({unlike} unlike 0); clearly better at {sum(m > 0 for m in clear)} of them, "
                f"clearly worse at {sum(m < 0 for m in clear)}, no clear difference at "
                f"{len(found) - len(clear)}.\n"
            )
    return "".join(lines)


def _reading(
    cells: Cells, depths: Sequence[int], wirings: Sequence[str], activations: Sequence[str]
) -> str:
    """Say who is best where, and how HTAF does against everyone else."""
    places = [
        (w, d) for d in depths for w in wirings if all((a, w, d) in cells for a in activations)
    ]
    if not places:
        return "Nothing yet: no depth and wiring is finished for every activation.\n"
    best = [_best(cells, *place).activation for place in places]
    counts = ", ".join(f"{LABELS[name]} {best.count(name)}" for name in activations)
    lines = [f"- Largest mean, of {len(places)} cells (depth and wiring): {counts}.\n"]
    rivals = [name for name in activations if not name.startswith("htaf")]
    for one in activations:
        if one in rivals:
            continue
        every = [_differences(cells, one, rival, *place) for place in places for rival in rivals]
        clear = [statistics.mean(differences) for differences in every if _clear(differences)]
        lines.append(
            f"- {LABELS[one]} against the {len(rivals)} surrogates, {len(every)} comparisons: "
            f"clearly better in {sum(m > 0 for m in clear)}, clearly worse in "
            f"{sum(m < 0 for m in clear)}, no clear difference in {len(every) - len(clear)}.\n"
        )
    hard = [name for name in activations if name != "htaf-smooth"]
    for wiring, depth in places:
        here = [cells[name, wiring, depth].points() for name in hard]
        means = [statistics.mean(points) for points in here]
        spread = statistics.mean([statistics.stdev(points) for points in here])
        lines.append(
            f"- {wiring}, {depth} layers: the {len(hard)} with the step forward lie "
            f"{max(means) - min(means):.2f} points apart; seeds of one spread by {spread:.2f}.\n"
        )
    return "".join(lines)

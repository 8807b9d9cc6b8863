"""What the steps leave in a run directory as JSON: read whole, and of the types stated here.

The types say what others read. A file may hold more: everything in it is plain, finite and of
limited depth, so that it can be shown and written again.
"""

import json
import re
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeVar, cast

import msgspec

from htaflow.model.support.errors import BadInputError, abbreviate

Result = TypeVar("Result")
"""What a file holds: one of the types stated here, or ``Object``."""

Object = dict[str, Any]
"""An object of which nothing is known but that it is plain."""

MAX_DEPTH = 20
"""Lists and objects in one another, at most."""

_LARGEST = 1e100
_AGAIN = "delete it and run its step again"


class Epoch(TypedDict):
    """One epoch of training."""

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float


class LoggedEpoch(TypedDict, total=False):
    """One epoch in ``train.json``: an earlier version may have kept less."""

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float


class Training(TypedDict):
    """``train.json``."""

    accuracy: dict[str, float]
    test_frames: int
    model: NotRequired[str]
    recipe: NotRequired[dict[str, Any] | None]
    data: NotRequired[str]
    data_options: NotRequired[dict[str, Any]]
    mode: NotRequired[str]
    seed: NotRequired[int]
    epochs: NotRequired[int]
    network: NotRequired[str]
    classes: NotRequired[list[str]]
    history: NotRequired[list[LoggedEpoch]]
    seconds: NotRequired[float]
    versions: NotRequired[dict[str, str]]
    train_frames: NotRequired[int]
    features: NotRequired[int]
    test_digest: NotRequired[str]
    inputs: NotRequired[str]


class ImportAccuracy(TypedDict):
    """In percent, of the imported network and of the graph that it was made from."""

    golden: float
    graph: float


class ImportFacts(TypedDict):
    """``import.json``."""

    file: str
    network: str
    frames: int
    classes_that_differ: int | None
    results_that_differ: int
    by_rounding: int
    left_out: list[str]
    accuracy: ImportAccuracy | None
    sha256: NotRequired[str]
    input: NotRequired[dict[str, Any]]
    output: NotRequired[dict[str, list[float]]]
    nodes: NotRequired[dict[str, str]]
    first_difference: NotRequired[dict[str, Any] | None]


class Classes(TypedDict):
    """What of ``train.json`` says how the classes are called."""

    network: NotRequired[str]
    classes: NotRequired[list[str]]


class OutputField(TypedDict):
    """One output in the result word, in ``rtl/top.json``."""

    name: str
    offset: int
    element_bits: int
    count: int
    width: int
    signed: bool


class StageFacts(TypedDict):
    """One layer in ``rtl/top.json``."""

    interval_cycles: NotRequired[int]
    name: str
    type: str
    latency_cycles: int
    transfers: int
    count: int
    width: int
    probe: str


class NarrowerBus(TypedDict):
    """What another input bus would take, in ``rtl/top.json``."""

    bus_bits: int
    beats: int
    latency_cycles: int
    interval_cycles: int


class Interface(TypedDict):
    """``rtl/top.json``."""

    digest: str
    latency_cycles: int
    interval_cycles: int
    bus_bits: int
    beats: int
    output_bits: int
    frames_held: int
    stages: list[StageFacts]
    target: str
    network: NotRequired[str]
    features: NotRequired[int]
    feature_bits: NotRequired[int]
    features_per_beat: NotRequired[int]
    outputs: NotRequired[list[OutputField]]
    verilog: NotRequired[str]
    inputs: NotRequired[str]
    dropped_cycles: NotRequired[int]
    narrower_bus: NotRequired[NarrowerBus | None]
    pipeline: NotRequired[list[str] | None]
    depth: NotRequired[float | None]
    versions: NotRequired[dict[str, str]]


class Cycles(TypedDict):
    """What was predicted and what was measured; ``None`` if nothing was."""

    predicted: int
    measured: int | None


class PhaseResult(TypedDict):
    """One test of a bench."""

    frames: int
    mismatches: int
    rule_violations: NotRequired[int]
    seed: NotRequired[int]


class Mismatch(TypedDict):
    """Where the first wrong word comes from, see :func:`htaflow.sim.locate.locate`."""

    test: str
    frame: int | None
    layer: str | None
    neuron: int | None
    step: int | None
    cycle: int | None
    expected: int | str | None
    got: int | str | None
    waveform: str | None
    time_ns: float | None


class Verification(TypedDict):
    """``verify/LEVEL.json``."""

    frames: int
    mismatches: int
    latency_cycles: Cycles
    interval_cycles: Cycles
    stalled: PhaseResult
    reset: NotRequired[PhaseResult]
    framing: NotRequired[PhaseResult]
    problems: list[str]
    first_mismatch: NotRequired[dict[str, Any] | None]
    network: NotRequired[str]
    of: NotRequired[dict[str, str]]
    simulator: NotRequired[str]


class ToolMessage(TypedDict):
    """What a tool warned of: see ``htaflow.flows.tools.diagnostics``."""

    tool: str
    kind: str
    severity: str
    text: str
    log: str
    line: int


class Level(TypedDict):
    """``verify/LEVEL.json`` of a netlist or a bitstream."""

    level: str
    network: str
    frames: int
    mismatches: int
    latency_cycles: Cycles
    interval_cycles: Cycles
    of: dict[str, str]
    diagnostics: NotRequired[list[ToolMessage]]


class MutantResult(TypedDict):
    """What became of one fault."""

    kind: str
    layer: str
    site: dict[str, Any]
    verdict: str
    reason: NotRequired[str]


class Reference(TypedDict):
    """What became of the corrupted references."""

    corrupted: int
    caught: int
    missed: list[Any]


class Mutation(TypedDict):
    """``verify/mutation.json``."""

    score: float
    results: list[MutantResult]
    by_kind: list[dict[str, Any]]
    by_layer: list[dict[str, Any]]
    reference: Reference
    caught: int
    caught_directed: int
    equivalent: int
    survived: int
    seed: int
    frames: int
    mutants: int


class Serial(TypedDict):
    """A board's serial line in ``top.json``."""

    cycles_a_bit: int
    quiet_cycles: int
    latency_cycles: int
    interval_cycles: int
    reset: int | None
    constants: dict[str, int]
    baud: NotRequired[int]
    request_bytes: NotRequired[int]
    reply_bytes: NotRequired[int]
    quiet_seconds: NotRequired[float]


class BoardInterface(Interface):
    """``boards/NAME/top.json``."""

    serial: Serial


class Certificate(TypedDict):
    """``proofs/NAME.json``."""

    what: str
    closed: bool
    items: int
    proved: int
    seconds: float
    network: str
    problems: list[str]
    of: dict[str, str]


class Used(TypedDict):
    """How many of a part's resources are used."""

    used: int
    available: int


class BoardReport(TypedDict):
    """``boards/NAME/report.json``."""

    LUT: Used
    fmax_mhz: float
    FF: NotRequired[Used]
    BRAM: NotRequired[Used]
    IO: NotRequired[Used]
    board: NotRequired[str]
    device: NotRequired[str]
    package: NotRequired[str]
    network: NotRequired[str]
    met: NotRequired[bool]
    oscillator_mhz: NotRequired[float]
    clock_mhz: NotRequired[float]
    latency_cycles: NotRequired[int]
    core_throughput_fps: NotRequired[float]
    estimated_throughput_fps: NotRequired[float]
    throughput_limit: NotRequired[str]
    bitstream: NotRequired[str | None]
    sha256: NotRequired[str | None]
    carry: NotRequired[int]
    seed: NotRequired[int]
    pipeline: NotRequired[list[str] | None]
    depth: NotRequired[float | None]
    router: NotRequired[str]
    fmax_by_seed: NotRequired[dict[str, float]]
    failed_seeds: NotRequired[dict[str, str]]
    diagnostics: NotRequired[list[ToolMessage]]
    versions: NotRequired[dict[str, str]]
    interval_cycles: NotRequired[int]
    seconds: NotRequired[float]
    inputs: NotRequired[str]
    LC: NotRequired[Used]


class Built(TypedDict):
    """What a later build and the command line need of a ``BoardReport``."""

    board: str
    met: bool
    seed: int
    fmax_mhz: float
    clock_mhz: float
    fmax_by_seed: dict[str, float]
    failed_seeds: dict[str, str]
    bitstream: str | None
    sha256: str | None
    LUT: Used
    FF: Used
    BRAM: Used
    diagnostics: NotRequired[list[ToolMessage]]


class CheckpointHeader(TypedDict):
    """The header of a checkpoint."""

    configuration: dict[str, Any]
    epochs: int
    seconds: float
    history: list[Epoch]


def read_json(path: Path, kind: type[Result]) -> Result | None:
    """Return the JSON object at ``path``, of the type ``kind``; ``None`` if there is no file.

    Raises ``BadInputError`` that says what is wrong and where if it is no such object.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"), kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise BadInputError(f"{path}: {error}; {_AGAIN}") from None


def parse_json(text: str, kind: type[Result]) -> Result:
    """Return the JSON object in ``text``. Raises ``ValueError`` in words if it is none of ``kind``.

    Constants of JavaScript such as NaN are refused.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON ({abbreviate(str(error), 200)[1:-1]})") from None
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    wrong = _not_plain(value) or misfit(value, kind)
    if wrong is not None:
        raise ValueError(wrong)
    return cast(Result, value)


def misfit(value: object, kind: Any) -> str | None:
    """Return in words what of a decoded ``value`` is not of the type ``kind``; ``None`` if it fits.

    An integer is a float too, but a bool is no integer. An object may have more keys.
    """
    try:
        msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        found = _VALIDATION.fullmatch(str(error))
        if found is None:
            return str(error)
        place = (found["place"] or "").removeprefix("$").lstrip(".")
        if found["missing"]:
            return f"it lacks '{f'{place}.' if place else ''}{found['missing']}'"
        return f"its '{place}' has the wrong type: expected {found['wanted']}, got {found['got']}"
    return None


_VALIDATION = re.compile(
    r"(?:Object missing required field `(?P<missing>[^`]*)`"
    r"|Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`)(?: - at `(?P<place>[^`]*)`)?"
)
"""What msgspec says of a value that does not fit."""


def _not_plain(value: object) -> str | None:
    """Return in words what of a decoded ``value`` cannot be shown or written again."""
    layer = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for item in layer:
            if isinstance(item, dict):
                inner += [*item, *item.values()]
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, str) and not _is_text(item):
                return f"it holds {abbreviate(item)}, which is no text"
            elif isinstance(item, float) and not abs(item) <= _LARGEST:
                return "it holds a number that is not finite, or too large"
            elif isinstance(item, int) and abs(item) >= 1 << 63:
                return "it holds a number of more than 64 bits"
        if not inner:
            return None
        layer = inner
    return f"it holds more than {MAX_DEPTH} objects in one another"


def _is_text(text: str) -> bool:
    """Whether UTF-8 can hold ``text``: JSON can write halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")

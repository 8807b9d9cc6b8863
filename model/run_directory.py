"""The run directory: where one network's artefacts lie, and when a step need not run again."""

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from htaflow.model.data.features import FeatureFacts, Features, read_facts
from htaflow.model.integer.file import load_network
from htaflow.model.integer.network import IntArray, Network
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import digest
from htaflow.model.support.npz import read_npz
from htaflow.model.support.results import Classes, Object, Result, read_json

FAILED, SLOW = ".failed", ".slow"
"""What the folders of builds end in that are beside a board's own, and are none of its results."""


@dataclass(frozen=True)
class Run:
    """Paths and contents of the run directory at ``path``; nothing is created by naming it."""

    path: Path

    @property
    def network(self) -> Path:
        """The integer network, written by ``train`` or copied in by ``convert``."""
        return self.path / "network.safetensors"

    @property
    def train(self) -> Path:
        """How the network was trained, and its accuracies."""
        return self.path / "train.json"

    @property
    def test(self) -> Path:
        """The test set: integers ``x`` ``[N, features]``, labels ``y`` ``[N]``."""
        return self.path / "test.npz"

    @property
    def verilog(self) -> Path:
        """The generated hardware."""
        return self.path / "rtl" / "top.v"

    @property
    def interface(self) -> Path:
        """What the generated hardware takes, yields and how long it needs."""
        return self.path / "rtl" / "top.json"

    def verify(self, level: str = "rtl") -> Path:
        """The result of verification at ``level``."""
        return self.path / "verify" / f"{level}.json"

    @property
    def deeper_levels(self) -> list[Path]:
        """Results of verification below the generated Verilog: of netlists, then of bitstreams."""
        kinds = ("netlist", "bitstream")
        return [path for kind in kinds for path in sorted(self.path.glob(f"verify/{kind}-*.json"))]

    def digests(self, *paths: Path) -> dict[str, str]:
        """Return the digests of files of the run by their names in it: what a result is about."""
        return {str(path.relative_to(self.path)): digest(path.read_bytes()) for path in paths}

    def is_current(self, of: Mapping[str, str]) -> bool:
        """Whether the files that a result is about are still those that ``of`` tells of."""
        try:
            return all(digest((self.path / name).read_bytes()) == of[name] for name in of)
        except OSError:
            return False

    @property
    def exemplars(self) -> Path:
        """Training frames that show what the network's concepts are, if it has some."""
        return self.path / "concepts.npz"

    @property
    def features(self) -> Path:
        """Names, units and places of the network's features, if they are known."""
        return self.path / "features.json"

    def explanation(self, frame: int) -> Path:
        """Why the hardware decided as it did on one test frame."""
        return self.path / "explain" / f"frame-{frame}.json"

    @property
    def explanations(self) -> list[Path]:
        """All of those that there are, by frame."""
        found = self.path.glob("explain/frame-*.json")
        return sorted(found, key=lambda path: (len(path.name), path.name))

    def board(self, name: str) -> Path:
        """The folder of one board's build."""
        return self.path / "boards" / name

    def board_report(self, name: str) -> Path:
        """The result of one board's build."""
        return self.board(name) / "report.json"

    @property
    def boards(self) -> list[str]:
        """Names of the boards that have been built, sorted."""
        found = (file.parent.name for file in self.path.glob("boards/*/report.json"))
        # Besides, there may be one not yet done, one that failed and one that is too slow.
        return sorted(
            name for name in found if not name.startswith(".") and not name.endswith((FAILED, SLOW))
        )

    @property
    def proofs(self) -> Path:
        """The folder of certificates."""
        return self.path / "proofs"

    def proof(self, name: str) -> Path:
        """The certificate of one proof."""
        return self.proofs / f"{name}.json"

    @property
    def page(self) -> Path:
        """The report for people."""
        return self.path / "report" / "index.html"

    @property
    def facts(self) -> Path:
        """The report for programs."""
        return self.path / "report" / "report.json"

    def load_network(self) -> Network:
        """Read the network. Raises ``BadInputError``, also when the run has none."""
        if not self.path.is_dir():
            raise BadInputError(f"{self.path}: there is no such run directory; {_HOW_TO_START}")
        if not self.network.is_file():
            raise BadInputError(f"{self.path}: it holds no network.safetensors; {_HOW_TO_START}")
        return load_network(self.network)

    def class_names(self, network: Network) -> list[str]:
        """Return what the classes of ``network`` are called: as its training says, or by number."""
        count = network.outputs["class"].high + 1 if "class" in network.outputs else 0
        trained = read_result(self.train, Classes) or {}
        names = trained.get("classes") if trained.get("network") == network.digest else None
        if names is None or len(names) != count:
            return [str(index) for index in range(count)]
        return list(names)

    def load_features(self, network: Network) -> Features:
        """Return what is known of the features of ``network`` beside their numbers.

        Nothing is, if there is no ``features.json`` or it is another network's. Raises
        ``BadInputError`` if it is damaged.
        """
        facts = read_result(self.features, FeatureFacts)
        if facts is None or facts["network"] != network.digest:
            return Features()
        try:
            return read_facts(facts, network.encode.features)
        except ValueError as error:
            again = "delete it, and train again for another"
            raise BadInputError(f"{self.features}: {error}; {again}") from None

    def load_test(self, network: Network | None = None) -> tuple[IntArray, IntArray] | None:
        """Return the test set ``(x [N, features], y [N])``, or ``None`` if the run has none.

        Raises ``BadInputError`` if the file is damaged, or a label is no class of ``network``.
        """
        try:
            arrays, _ = read_npz(self.test, ("x", "y"))
            frames, labels = arrays["x"], arrays["y"]
        except FileNotFoundError:
            return None
        except KeyError as error:
            raise BadInputError(f"{self.test}: it lacks {error}; {_TRAIN_AGAIN}") from None
        except BadInputError as error:
            raise BadInputError(f"{error}; {_TRAIN_AGAIN}") from None
        kinds = frames.dtype.kind + labels.dtype.kind
        if frames.ndim != 2 or labels.shape != frames.shape[:1] or not set(kinds) <= set("iu"):
            raise BadInputError(
                f"{self.test}: x {list(frames.shape)} {frames.dtype} and y {list(labels.shape)} "
                f"{labels.dtype} are no integers [N, features] and [N]; {_TRAIN_AGAIN}"
            )
        if network is not None and "class" in network.outputs and len(labels):
            most = network.outputs["class"].high
            if not 0 <= int(labels.min()) <= int(labels.max()) <= most:
                raise BadInputError(f"{self.test}: a label is outside 0..{most}; train again")
        return frames, labels


_TRAIN_AGAIN = "it is no test set: train again with --restart"
_HOW_TO_START = "make one with 'htaflow train MODEL --out RUN' or 'htaflow convert FILE --out RUN'"


def read_result(path: Path, kind: type[Result]) -> Result | None:
    """Return the JSON object that a step left at ``path``, or ``None`` if the step has not run.

    Raises ``BadInputError`` if there is a file but it is no JSON object, or none of ``kind``, one
    of the types in :mod:`htaflow.model.support.results`.
    """
    return read_json(path, kind)


def unchanged(
    result: Path, inputs: str, kind: type[Result], outputs: Iterable[Path] = ()
) -> Result | None:
    """Return the stored result of a step if it need not run again, else ``None``.

    That is so when the JSON at ``result`` was made from the same ``inputs`` (a digest of
    everything that the step reads, tool versions included), is of the type ``kind``, and every one
    of ``outputs`` exists.
    """
    try:
        stored = read_result(result, kind)
    except BadInputError:
        return None  # running the step again replaces the damaged file
    if stored is None or cast(Object, stored).get("inputs") != inputs:
        return None
    return stored if all(path.is_file() for path in outputs) else None


def source_digest(*packages: str) -> str:
    """Return a digest of the Python sources of ``packages``, such as ``"htaflow.hw"``.

    It stands in for their version: a result made by other code is not reused.
    """
    parts: list[str | bytes] = []
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"{package} is not a package")
        for folder in spec.submodule_search_locations:
            for file in sorted(Path(folder).rglob("*.py")):
                parts += [package, str(file.relative_to(folder)), file.read_bytes()]
    return digest(*parts)

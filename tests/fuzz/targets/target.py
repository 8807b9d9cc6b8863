"""What the kinds of input that are fuzzed have in common."""

import contextlib
import io
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fuzz.guard import MEMORY, bounded_memory
from fuzz.mutate import Raw
from htaflow.flows.cli import main as cli
from htaflow.model.support.errors import HtaflowError

MAX_MESSAGE = 8000
"""Characters of an error, at most: it must fit a terminal, whatever the input says."""


@dataclass(frozen=True)
class Target:
    """One kind of input: ``seeds()`` are valid, ``check(data, folder)`` may write to ``folder``."""

    name: str
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[bytes, random.Random, Raw], bytes]
    check: Callable[[bytes, Path], bool]


def told(error: BaseException) -> None:
    """Check the words in which an input was refused."""
    assert isinstance(error, HtaflowError), repr(error)
    text = str(error)
    assert 0 < len(text) <= MAX_MESSAGE, f"{len(text)} characters: {text[:200]}"
    text.encode("utf-8", "backslashreplace")


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Let a refusal pass, after a look at its words."""
    try:
        yield
    except HtaflowError as error:
        told(error)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="htaflow-fuzz-") as name:
        yield Path(name)


def call(arguments: list[str], memory: int = MEMORY) -> tuple[int, str]:
    """Run a verb within so much ``memory``; return its exit code and what it said on stderr.

    It must not raise, nor fail without a word.
    """
    out, err = io.StringIO(), io.StringIO()
    with bounded_memory(memory), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(arguments)
    assert code in (0, 1, 2), code
    assert code == 0 or (out.getvalue() + err.getvalue()).strip(), "it failed without a word"
    assert "Traceback" not in err.getvalue()
    return code, err.getvalue()

"""What README.md and docs/ show can be done as it stands there."""

import argparse
import ast
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_run
from networks import random_frames, random_network

from htaflow.flows.cli import main as cli
from htaflow.flows.convert import convert
from htaflow.model.integer import golden
from htaflow.model.integer.file import load_network
from htaflow.model.run_directory import Run, read_result
from htaflow.model.support.results import ImportFacts
from htaflow.sim.verify import verify_rtl

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SLOW = "*Takes minutes:*\n\n"
"""Stands before a block that is run in the slow set."""

README_LINES = 150


@dataclass(frozen=True)
class Block:
    """A Python block: where it begins, its text, and whether the page says that it is slow."""

    page: Path
    line: int
    text: str
    slow: bool

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    def execute(self) -> None:
        """Run it in the working folder."""
        exec(compile(self.text, str(self.page), "exec"), {"__name__": "__main__"})


def find_blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for found in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            before = text[: found.start()]
            yield Block(page, before.count("\n") + 1, found[1], before.endswith(SLOW))


BLOCKS = list(find_blocks())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# --- Python blocks: each is run by one of these, which knows what must come of it ---------------


def becomes_hardware(run: Path, frames: int) -> None:
    convert(run)
    result = verify_rtl(run, frames=frames)
    assert (result["mismatches"], result["problems"]) == (0, [])


def run_brevitas(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():  # Brevitas and PyTorch's exporter warn of themselves
        warnings.simplefilter("ignore")
        block.execute()
    run = Run(Path("runs/brevitas"))
    facts = read_result(run.path / "import.json", ImportFacts)
    assert facts is not None
    assert facts["accuracy"] is not None
    assert facts["accuracy"]["golden"] > 85
    becomes_hardware(run.path, 5)


def run_snntorch(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    block.execute()
    run = Path("runs/imported")
    network = load_network(run / "network.safetensors")
    assert network.values["steps"].steps == 8
    given = random_frames(network, np.random.default_rng(1), 20)
    assert golden.run(network, given)["scores"].any(axis=0).all()
    becomes_hardware(run, 20)


def run_own_model(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    block.execute()
    assert float(capsys.readouterr().out.split()[-2]) > 75
    becomes_hardware(Path("runs/mine"), 10)


def run_own_recipe(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    block.execute()
    network = load_network(Path("runs/deeper/network.safetensors"))
    assert network.name == "deeper"
    layers: Any = network.layers[1:-2]
    assert [len(layer.weights) for layer in layers] == [60] * 5


def run_integers_alone(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    network = random_network(rng, features=64, ending="class of scores")
    write_run(Path("runs/digits"), network, None, None)
    block.execute()
    expected = golden.run(network, np.zeros((1, 64), int))["class"]
    assert capsys.readouterr().out == f"{expected}\n"


def run_verbs(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    block.execute()
    fmax, mismatches, closed, page = capsys.readouterr().out.splitlines()[-4:]
    assert float(fmax) > 12
    assert set(mismatches) <= set("[0, ]")
    assert closed == "True"
    assert Path(page).is_file()


RUNS: dict[str, Callable[[Block, pytest.CaptureFixture[str]], None]] = {
    "from_snntorch": run_snntorch,
    "export_qonnx": run_brevitas,
    "BinaryConv2d": run_own_model,
    "HeavisideNeurons": run_own_recipe,
    "[[0] * 64]": run_integers_alone,
    "flows.build": run_verbs,
}
"""How a block is run, by a word that it alone has."""


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=str(block), marks=[pytest.mark.slow] if block.slow else [])
        for block in BLOCKS
    ],
)
def test_a_python_block_does_what_it_says(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = [run for word, run in RUNS.items() if word in block.text]
    run(block, capsys)


def test_every_way_to_run_a_block_has_its_block_and_every_mark_its_own() -> None:
    for word in RUNS:
        assert len([block for block in BLOCKS if word in block.text]) == 1, word
    marks = sum(page.read_text("utf-8").count(SLOW.strip() + "\n") for page in PAGES)
    assert marks == sum(block.slow for block in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_python_block_imports_only_what_packages_export(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Import):
            assert not any(name.name.startswith("htaflow") for name in node.names)
        if isinstance(node, ast.ImportFrom) and (path := node.module or "").startswith("htaflow."):
            names = [name.name for name in node.names]
            public = getattr(importlib.import_module(path), "__all__", [path.rpartition(".")[2]])
            assert path.count(".") <= 2
            assert set(names) <= set(public), path


# --- Commands: each is given to the real parser -------------------------------------------------

NUMBERS = {"N": "1", "MHZ": "80", "BITS": "8", "SECONDS": "60"}
"""What stands for a number on a page, with one."""


def find_commands() -> Iterator[tuple[str, str]]:
    """Yield (page and line, command) for all that begin with htaflow, in blocks and in lines."""
    for page in PAGES:
        for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
            shown = [line.strip()] if line.startswith("    ") else re.findall(r"`([^`]+)`", line)
            for text in shown:
                for command in text.partition(" #")[0].split(" && "):
                    if command.strip().startswith("htaflow "):
                        yield f"{page.name}:{number}", command.strip()


COMMANDS = list(find_commands())


class ParsedError(Exception):
    """Raised in the place of running the verb."""


@pytest.mark.parametrize("where, command", COMMANDS, ids=[where for where, _ in COMMANDS])
def test_a_command_is_one_that_htaflow_takes(
    where: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser: Any, *arguments: Any) -> None:
        parse(parser, *arguments)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    words = [NUMBERS.get(word, word) for word in shlex.split(command)[1:]]
    if len(words) == 1:  # a verb that is only named
        words.append("--help")
    if words == ["VERB", "--help"]:
        words = ["--help"]
    try:
        code: object = cli.main(words)
    except (ParsedError, SystemExit) as end:
        code = getattr(end, "code", 0)
    assert code in (0, None), f"{where}: {capsys.readouterr().err}"


def test_commands_are_found() -> None:
    verbs = {command.split()[1] for _, command in COMMANDS}
    help_text = subprocess.run(
        [sys.executable, "-m", "htaflow.flows.cli", "--help"], capture_output=True, text=True
    ).stdout
    known = set(re.findall(r"^    ([a-z]+) ", help_text, re.MULTILINE))
    assert known <= verbs


def test_an_option_named_alone_is_one_of_some_verb(capsys: pytest.CaptureFixture[str]) -> None:
    named = {
        option
        for page in PAGES
        for option in re.findall(r"`(--[a-z][a-z-]*)", page.read_text("utf-8"))
    }
    known: set[str] = set()
    for verb in {command.split()[1] for _, command in COMMANDS if "VERB" not in command}:
        with pytest.raises(SystemExit):
            cli.main([verb, "--help"])
        known |= set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    assert named <= known


# --- Pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_or_links_to_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    links = re.findall(r"\]\(([^)#:\s]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    folders = "model|hw|sim|flows|tests|benchmarks|docs"
    paths = re.findall(rf"`((?:{folders})/[\w./*-]*)`", text)
    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []
    scripts = re.findall(r"python ((?:benchmarks|tests)/[\w/]+\.py)", text)
    assert [script for script in scripts if not (ROOT / script).is_file()] == []


def test_the_readme_is_short_and_links_to_every_page() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= README_LINES
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} - {"docs/reference.md"}
    assert pages <= set(re.findall(r"\]\((docs/[^)]+)\)", text))


def test_tables_of_results_are_those_that_benchmarks_wrote() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        for source, table in re.findall(r"<!-- (benchmarks/\S+) -->\n\n((?:\|.*\n)+)", text):
            result = (ROOT / source).read_text("utf-8").splitlines()
            cells = [_cells(line) for line in result if line.startswith("|")]
            for line in table.splitlines():
                shown = _cells(line)
                assert any(row[: len(shown)] == shown for row in cells), f"{page.name}: {line}"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "htaflow.model.Network" in (tmp_path / "reference.html").read_text("utf-8")


# --- For whoever joins ---------------------------------------------------------------------------


def test_pre_commit_has_the_versions_of_the_constraints() -> None:
    pins = dict(re.findall(r"^(ruff|mypy)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    revisions = dict(re.findall(r"(ruff|mypy)(?:-pre-commit)?\n    rev: v(\S+)", hooks))
    assert revisions == pins
    assert len(pins) == 2


def test_continuous_integration_starts_with_the_oldest_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    oldest = project["requires-python"].removeprefix(">=")
    assert f'python: ["{oldest}", ' in workflow
    assert "run: .ci/run" in workflow
    actions = re.findall(r"uses: (\S+)", workflow)
    assert actions
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action) for action in actions)
    version = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert version is not None
    assert version[1] == project["version"]

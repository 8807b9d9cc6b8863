"""Imports run one way: flows -> sim -> hw -> model, without a circle between modules or folders."""

import ast
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STOREYS = ("model", "hw", "sim", "flows")
MOST_MODULES = 14
"""Modules of a folder, ``__init__`` not counted."""

A_FILE_EACH = {"flows/cli": "a verb"}
"""Folders in which the modules are all of one make, so that their number hides nothing."""

Imports = Mapping[str, set[str]]
"""What each module imports, by name: other modules of htaflow, and outside it top-level names."""


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


FILES = {
    module_name(file): file for storey in STOREYS for file in sorted((ROOT / storey).rglob("*.py"))
}


def resolve(name: str) -> str:
    """Return the module in which ``htaflow.A.B.c`` is: itself, or the one that defines it."""
    inside = name.removeprefix("htaflow.")
    if inside == name:
        return name.partition(".")[0]
    while inside not in FILES:
        inside, dot, _ = inside.rpartition(".")
        assert dot, f"{name} is imported, but not there"
    return inside


def imported(module: str) -> set[str]:
    """Return what ``module`` imports, inside functions too; relative imports made absolute."""
    file = FILES[module]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(["htaflow", *above, *base.split(".")]).rstrip(".")
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return {resolve(name) for name in found} - {module}


IMPORTS: Imports = {module: imported(module) for module in FILES}


def find_circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_storey_imports_only_those_below() -> None:
    wrong = [
        (module, other)
        for module, others in IMPORTS.items()
        for other in others & FILES.keys()
        if STOREYS.index(other.split(".")[0]) > STOREYS.index(module.split(".")[0])
    ]
    assert not wrong


def test_hardware_sees_of_the_model_only_integers_and_support() -> None:
    wrong = [
        (module, other)
        for module, others in IMPORTS.items()
        for other in others
        if module.startswith("hw") and other.startswith("model.")
        if not other.startswith(("model.integer", "model.support"))
    ]
    assert not wrong


def test_no_modules_import_each_other() -> None:
    # A package's __init__ gathers what its modules register; they do not import it back.
    assert not find_circle({module: others & FILES.keys() for module, others in IMPORTS.items()})


FOLDERS = sorted({file.parent for file in FILES.values()})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_no_folders_beside_each_other_import_each_other(folder: Path) -> None:
    prefix = module_name(folder / "__init__.py") + "."
    inside = [name for name in FILES if name.startswith(prefix)]

    def child(name: str) -> str:
        return name.removeprefix(prefix).split(".")[0]

    folders = {child(name) for name in inside if "." in name.removeprefix(prefix)}
    graph: dict[str, set[str]] = {}
    for name in inside:
        others = {child(other) for other in IMPORTS[name] if other.startswith(prefix)}
        graph.setdefault(child(name), set()).update((others & folders) - {child(name)})
    assert not find_circle({name: others for name, others in graph.items() if name in folders})


def test_only_the_model_imports_torch() -> None:
    users = {module for module, others in IMPORTS.items() if "torch" in others}
    assert not {module for module in users if not module.startswith("model.")}


def test_integer_networks_need_neither_torch_nor_training() -> None:
    allowed = ("model.integer", "model.support")
    for module in (module for module in FILES if module.startswith("model.integer")):
        inside = {other for other in IMPORTS[module] if other in FILES}
        assert all(other.startswith(allowed) for other in inside), module
        assert "torch" not in IMPORTS[module]


def test_support_knows_nothing_of_networks() -> None:
    for module in (module for module in FILES if module.startswith("model.support")):
        inside = {other for other in IMPORTS[module] if other in FILES}
        assert all(other.startswith("model.support") for other in inside), module


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_has_about_a_dozen_modules(folder: Path) -> None:
    if str(folder.relative_to(ROOT)) in A_FILE_EACH:
        return
    assert len([file for file in folder.glob("*.py") if file.stem != "__init__"]) <= MOST_MODULES


def test_results_are_dated_by_the_integer_model_alone() -> None:
    """An edit of training must not make Verilog, proofs or simulations out of date."""
    named = {
        argument.value
        for module, file in FILES.items()
        if module.startswith(("flows", "sim"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "source_digest"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    assert "htaflow.model.integer" in named
    assert {name for name in named if name.startswith("htaflow.model")} == {"htaflow.model.integer"}

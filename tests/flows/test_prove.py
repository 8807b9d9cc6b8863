"""``htaflow prove``: certificates, and what it says when something is not so."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from htaflow.flows import prove as formal
from htaflow.flows.cli.main import main
from htaflow.flows.proof.streams.small_components import DESIGNS
from htaflow.flows.proof.streams.stream_proof import StreamProof
from htaflow.flows.proof.streams.streams import prove_design
from htaflow.flows.prove import prove
from htaflow.flows.report.report import report
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.model.support.files import write_atomic


@pytest.fixture(autouse=True)
def few_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """One component stands for all: each has tests of its own."""

    def one(progress: Callable[[str], None]) -> Iterator[StreamProof]:
        yield prove_design(DESIGNS[0]())

    monkeypatch.setattr(formal, "prove_streams", one)


def spoil(run: Path) -> str:
    """Make the first neuron of the run's Verilog wrong; return its name."""
    path = run / "rtl" / "top.v"
    text = path.read_text()
    found = re.search(r"  wire (\w+_n\d+) = (.*);", text)
    assert found is not None
    path.write_text(text.replace(found[0], f"  wire {found[1]} = ~({found[2]});"))
    return found[1]


def test_each_proof_leaves_a_certificate_and_is_not_made_again(
    make_run: Callable[..., Path],
) -> None:
    run = make_run()
    found = prove(run)
    assert list(found) == ["neurons", "streams"]
    for name, facts in found.items():
        assert facts == json.loads((run / "proofs" / f"{name}.json").read_text())
        assert facts["closed"] and facts["proved"] == facts["items"] > 0
        assert facts["seconds"] > 0 and facts["versions"]["yosys"]
    said: list[str] = []
    assert prove(run, progress=said.append) == found
    assert said == ["prove: neurons unchanged", "prove: streams unchanged"]
    assert not list((run / "proofs").glob(".*"))


def test_a_neuron_that_is_wrong_is_named_with_what_shows_it(
    make_run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()
    name, number = spoil(run).rsplit("_n", 1)
    assert main(["prove", str(run)]) == 1
    shown = capsys.readouterr().err
    assert f"layer {name} (" in shown and f"neuron {number}: with " in shown
    assert "is defined and the Verilog gives" in shown
    certificate = json.loads((run / "proofs" / "neurons.json").read_text())
    assert not certificate["closed"] and certificate["proved"] < certificate["items"]
    with pytest.raises(MismatchError, match=f"layer {name}"):  # and so says the certificate
        prove(run)


def test_a_proof_that_holds_is_printed(
    make_run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prove", str(make_run())]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["proof", "neurons", "streams"]


@pytest.mark.parametrize("missing", ["network.safetensors", "rtl/top.v", "rtl/top.json"])
def test_a_run_that_lacks_something_is_refused(
    make_run: Callable[..., Path], missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()
    (run / missing).unlink()
    assert main(["prove", str(run)]) == 2
    assert Path(missing).name in capsys.readouterr().err


@pytest.mark.parametrize(
    "change", [{"digest": "0"}, {"stages": []}, {"beats": 7}, {"target": None}]
)
def test_an_interface_of_something_else_is_refused(
    make_run: Callable[..., Path], change: dict[str, Any]
) -> None:
    run = make_run()
    path = run / "rtl" / "top.json"
    described = json.loads(path.read_text()) | change
    write_atomic(path, json.dumps(described))
    with pytest.raises(BadInputError, match=r"htaflow convert"):
        prove(run)


def test_a_board_without_its_netlist_is_refused(make_run: Callable[..., Path]) -> None:
    run = make_run()
    board = run / "boards" / "icebreaker"
    write_atomic(board / "report.json", "{}")
    with pytest.raises(BadInputError, match=r"board\.v.*htaflow build"):
        prove(run)


def test_the_report_has_the_proofs(make_run: Callable[..., Path]) -> None:
    run = make_run()
    prove(run)
    page = report(run).read_text()
    assert "<h2>Proofs</h2>" in page and "every neuron and vote" in page
    facts = json.loads((run / "report" / "report.json").read_text())
    assert facts["proofs"]["neurons"]["closed"]

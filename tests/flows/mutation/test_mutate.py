"""``htaflow verify --mutate``: faults are caught or proved harmless, and nothing else counts."""

import json
import signal
import subprocess
import sys
import time

import networks
import numpy as np
import pytest
from conftest import write_run

from htaflow.flows.mutation import mutant_check as judging
from htaflow.flows.mutation import mutate as verb
from htaflow.flows.mutation.mutant_check import Limits, MutantRunner
from htaflow.flows.mutation.mutate import is_clean, mutate
from htaflow.flows.mutation.sat import Answer, is_satisfiable
from htaflow.flows.mutation.worker_pool import _read_partial
from htaflow.flows.report.report import report
from htaflow.flows.summary import mutate_lines, mutate_rows, table
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.truth_table import AND2, XOR2
from htaflow.model.integer.network import ArgMax, Encode, GroupSum, Lookup, Network
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.sim.faults.fault import Fault
from htaflow.sim.faults.mutant import HardwareOptions, draw
from htaflow.sim.verify import read_interface


def a_judge(run, frames=40, seed=0):
    network = Run(run).load_network()
    interface = read_interface(run, network)
    design = HardwareOptions.of(network, interface, Run(run).verilog.read_text())
    given = networks.random_frames(network, np.random.default_rng(2), frames)
    limits = Limits(simulation=60, solver=30)
    return MutantRunner(design, interface, given, seed, run / "judge", limits)


def tables(source, tables, *, thresholds=(5, 9, 5, 9), feature_bits=4):
    """Two features, two comparisons each, truth tables over them, and a vote of two classes."""
    encode = Encode("encode", 2, feature_bits, False, np.array([0, 0, 1, 1]), np.array(thresholds))
    lookup = Lookup("lookup", np.array(source), np.array(tables))
    return Network("tables", (encode, lookup, GroupSum("vote", 2), ArgMax("argmax")))


CAUGHT = [
    Fault("weight sign", "hidden1", {"neuron": 1, "input": None}),
    Fault("tie rule", "argmax"),
    Fault("wire moved", "vote", {"bit": 4, "to": 5}),
    Fault("stall ignored", "hidden1", {"register": 0}),
    Fault("beat dropped", "encode"),
    Fault("data not held", "vote", {"register": 0}),
    Fault("reset ignored", "hidden1", {"register": 0}),
    Fault("reset ignored", "encode"),
    Fault("last ignored", "encode"),
    Fault("error ignored", "encode"),
    Fault("drop untold", "encode"),
    Fault("drop told late", "encode"),
    Fault("drop told twice", "encode"),
]


@pytest.mark.parametrize("fault", CAUGHT, ids=str)
def test_a_fault_is_caught(make_run, fault):
    judge = a_judge(make_run(frames=None))
    if fault.kind == "weight sign":
        wires = np.flatnonzero(judge.design.network.layers[1].weights[1])
        fault = Fault(fault.kind, fault.layer, {"neuron": 1, "input": int(wires[0])})
    verdict = judge.judge(fault)
    assert verdict["verdict"] == "caught", verdict
    tests = {"stall ignored": "stalled", "reset ignored": "reset", "error ignored": "framing"}
    assert verdict["test"] == tests.get(fault.kind, verdict["test"])
    assert verdict["problem"]


_UNREAD = (
    "window3 reads column 0 of window2's two; where it stops the pipeline, a pixel of column 1 "
    "waits in window2's register"
)
SURVIVORS = {
    "image": {
        "data not taken, window2, register 0": _UNREAD,
        "data not held, window2, register 0": _UNREAD,
    },
}
"""Faults that survive by kind of network, each with the reason; one that is caught must go."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flat", "bus", "spiking", "image"])
def test_every_kind_of_fault_is_caught_or_proved_equivalent(tmp_path, kind):
    rng = np.random.default_rng
    network = {
        "flat": lambda: networks.random_network(rng(1), lookups=0.5, hidden=(8, 8)),
        "bus": lambda: networks.random_network(rng(1)),
        "spiking": lambda: networks.random_spiking_network(rng(4)),
        "image": lambda: networks.random_image_network(rng(1)),
    }[kind]()
    run = write_run(tmp_path / "run", network, None, 8 if kind == "bus" else None)
    judge = a_judge(run)
    assert judge.control() is None
    seen = {}
    for fault in draw(judge.design, 60, 0):
        seen[str(fault)] = judge.judge(fault)
    survived = [name for name, verdict in seen.items() if verdict["verdict"] == "survived"]
    known = list(SURVIVORS.get(kind, {}))
    assert [name for name in survived if name not in known] == [], "they survive without a reason"
    assert [name for name in known if name not in survived] == [], "SURVIVORS names them in vain"


def test_an_entry_that_one_bit_read_twice_cannot_address_is_equivalent(tmp_path):
    network = tables([[0, 0], [2, 3]], [[0, 0, 0, 1], [0, 1, 1, 0]])
    judge = a_judge(write_run(tmp_path / "run", network, None, None))
    verdict = judge.judge(Fault("table entry", "lookup", {"neuron": 0, "entry": 1}))
    assert verdict["verdict"] == "equivalent"
    assert "the same" in verdict["reason"]


def test_an_entry_that_no_frame_can_address_is_proved_so_by_sat(tmp_path):
    # Bit 1 is feature 0 >= 9, bit 0 is feature 0 >= 5: entry 2 wants the first without the second.
    network = tables([[0, 1], [2, 3]], [[0, 1, 0, 1], [0, 1, 1, 0]])
    judge = a_judge(write_run(tmp_path / "run", network, None, None))
    verdict = judge.judge(Fault("table entry", "lookup", {"neuron": 0, "entry": 2}))
    assert verdict["verdict"] == "equivalent"
    assert verdict["reason"].startswith("proved by SAT over all inputs")


@pytest.mark.parametrize("rounds", [0, 12])
def test_a_fault_that_no_frame_shows_gets_one_that_does(tmp_path, monkeypatch, rounds):
    monkeypatch.setattr(judging, "ROUNDS", rounds)  # without random frames, SAT finds one
    network = tables([[0, 1], [2, 3]], [[0, 1, 0, 1], [0, 1, 1, 0]])
    judge = a_judge(write_run(tmp_path / "run", network, None, None))
    judge.frames = np.zeros((4, 2), np.int64)
    judge.bench = judge._bench(judge.frames, 0)
    verdict = judge.judge(Fault("table entry", "lookup", {"neuron": 0, "entry": 3}))
    assert verdict["verdict"] == "caught"
    assert verdict["directed"]
    assert verdict["frame"][0] >= 9


def test_an_undecided_fault_counts_against_the_score(tmp_path, monkeypatch):
    monkeypatch.setattr(
        judging, "is_satisfiable", lambda logic, seconds: Answer("undecided", seconds=1.0)
    )
    network = tables([[0, 1], [2, 3]], [[0, 1, 0, 1], [0, 1, 1, 0]])
    judge = a_judge(write_run(tmp_path / "run", network, None, None))
    fault = Fault("table entry", "lookup", {"neuron": 0, "entry": 2})
    verdict = judge.judge(fault)
    assert verdict == {"verdict": "survived", "reason": "undecided after 1 s of SAT"}
    caught = {"verdict": "caught", "directed": False, "test": "full_rate", "problem": "x"}
    result = verb._score([fault, Fault("tie rule", "argmax")], [verdict, caught])
    result["reference"] = {"corrupted": 1, "caught": 1, "missed": []}
    assert result["score"] == 0.5
    assert not is_clean(result)
    assert any(line.startswith("survived: table entry, lookup") for line in mutate_lines(result))
    unjudged = verb._score([fault], [None])
    assert (unjudged["score"], unjudged["not_judged"]) == (0.0, 1)


def test_a_proved_equivalent_does_not_count():
    fault = Fault("tie rule", "argmax")
    equivalent = {"verdict": "equivalent", "reason": "proved", "seconds": 1.0}
    result = verb._score([fault], [equivalent])
    result["reference"] = {"corrupted": 2, "caught": 1, "missed": ["reference latency_cycles"]}
    assert result["score"] == 1.0
    assert not is_clean(result)  # the bench passed with a corrupted reference


def test_a_corrupted_reference_fails(make_run):
    judge = a_judge(make_run(frames=None))
    assert judge.control() is None
    bits = judge.interface["output_bits"]
    for kind, site in [
        ("expected word", {"frame": 39, "bit": bits - 1}),
        ("expected word", {"frame": 0, "bit": 0}),
        ("latency_cycles", {"by": 1}),
        ("interval_cycles", {"by": 1}),
    ]:
        assert judge.reference(kind, site)["verdict"] == "caught"


def test_the_solver_proves_finds_and_gives_up():
    logic = Logic("question", 3)
    a, b, c = logic.inputs
    logic.outputs = [logic.add(AND2, (logic.table(AND2, [a, b]), logic.table(0b0001, [b, c])))]
    assert is_satisfiable(logic, 10).verdict == "never"
    logic.outputs = [logic.table(AND2, [logic.table(AND2, [a, b]), logic.table(XOR2, [b, c])])]
    answer = is_satisfiable(logic, 10)
    assert (answer.verdict, answer.inputs) == ("sometimes", 0b011)


def test_the_whole_of_it_is_written_shown_and_not_done_again(make_run, monkeypatch, capsys):
    monkeypatch.setattr(verb, "CORRUPTED_WORDS", 1)
    run = make_run(frames=20)
    told: list[str] = []
    options = {"mutants": 4, "seed": 1, "workers": 2, "progress": told.append}
    result = mutate(run, **options)
    assert result == json.loads((run / "verify" / "mutation.json").read_text())
    assert result["caught"] + result["equivalent"] == 4
    assert result["score"] == 1.0
    assert result["reference"]["corrupted"] == result["reference"]["caught"] >= 4
    assert sum(row["mutants"] for row in result["by_layer"]) == 4
    assert not (run / "verify" / ".mutation.jsonl").exists()
    assert is_clean(result)
    assert "score: 100.0 %" in mutate_lines(result)[0]
    assert table(mutate_rows(result)).splitlines()[-1].split()[:3] == ["all", "4", "4"]
    assert mutate(run, **options) == result
    assert told[-1] == "mutate: unchanged"
    page = report(run).read_text()
    assert "Would the bench notice a fault?" in page
    assert "100.00 %" in page
    assert "--mutants 4 --seed 1" in page


def test_hardware_that_the_bench_does_not_pass_is_refused(make_run):
    run = make_run(frames=20)
    path = run / "rtl" / "top.json"
    interface = json.loads(path.read_text())
    path.write_text(json.dumps(interface | {"latency_cycles": interface["latency_cycles"] + 1}))
    with pytest.raises(MismatchError, match="does not pass the right hardware: full_rate: latency"):
        mutate(run, mutants=1, workers=1)
    path.write_text(json.dumps(interface))
    top = run / "rtl" / "top.v"
    top.write_text(top.read_text() + "// changed\n")
    with pytest.raises(BadInputError, match="not what this version makes of the network"):
        mutate(run, mutants=1)
    with pytest.raises(BadInputError, match="0 mutants"):
        mutate(run, mutants=0)


def test_verdicts_of_an_interrupted_run_are_kept_but_not_those_of_other_inputs(tmp_path):
    path = tmp_path / "partial"
    assert _read_partial(path, "abc") == {}
    with path.open("a") as file:
        file.write('["one", {"verdict": "caught"}]\n["two", {"verd')
    assert _read_partial(path, "abc") == {"one": {"verdict": "caught"}}
    assert path.read_text().endswith("}]\n")
    assert _read_partial(path, "def") == {}


def test_an_end_from_outside_ends_every_process(make_run):
    run = make_run(frames=200)
    code = "from htaflow.flows.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "verify", str(run), "--mutate"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "faults" in line:
            break
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 128 + signal.SIGTERM
    process.stderr.close()
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert not [line for line in shown.stdout.splitlines() if str(run) in line]

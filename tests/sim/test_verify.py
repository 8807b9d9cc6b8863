"""``htaflow verify``: right hardware passes, wrong hardware is named down to the neuron."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from htaflow.model.integer import golden
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.sim.verify import verify_rtl


def plant(run, pattern, replacement):
    """Change the generated Verilog once."""
    top = run / "rtl" / "top.v"
    text, count = re.subn(pattern, replacement, top.read_text(), count=1, flags=re.DOTALL)
    assert count == 1
    top.write_text(text)


def invert(run, net):
    """Invert a net of the generated Verilog."""
    plant(run, rf"wire {net} = ([^;]*);", rf"wire {net} = ~(\1);")


def stored(run):
    return json.loads((run / "verify" / "rtl.json").read_text())


@pytest.mark.parametrize("bus_bits", [None, 8])
def test_right_hardware_passes(make_run, bus_bits):
    run = make_run(frames=50, bus_bits=bus_bits)
    result = verify_rtl(run)
    assert result == stored(run)
    assert result["frames"] == 50
    assert result["mismatches"] == 0
    assert result["first_mismatch"] is None
    assert result["latency_cycles"]["measured"] == result["latency_cycles"]["predicted"]
    assert result["interval_cycles"]["measured"] == result["interval_cycles"]["predicted"]
    assert result["interval_cycles"]["predicted"] == (3 if bus_bits else 1)
    assert result["stalled"] == {"frames": 500, "mismatches": 0, "rule_violations": 0, "seed": 0}
    assert "Icarus Verilog" in result["simulator"]
    assert {path.name for path in (run / "verify").iterdir()} >= {"bench", "run.py"}


def test_hardware_of_an_earlier_version_passes_with_a_word_about_what_it_lacks(make_run):
    run = make_run(bus_bits=8, frames=5)
    top, described = run / "rtl" / "top.v", run / "rtl" / "top.json"
    text = top.read_text()
    head, body = text.split("module top(")
    for port in ("dropped, ", "  output dropped;\n"):
        assert port in body
        body = body.replace(port, "", 1)
    top.write_text(f"{head}module top({body}")
    interface = json.loads(described.read_text())
    del interface["dropped_cycles"]
    described.write_text(json.dumps(interface))
    told: list[str] = []
    assert verify_rtl(run, progress=told.append)["problems"] == []
    (word,) = (line for line in told if "'dropped'" in line)
    assert f"run 'htaflow convert {run}'" in word


@pytest.mark.parametrize("ending", ["bits", "scores"])
def test_outputs_without_a_class_pass(make_run, ending):
    assert verify_rtl(make_run(ending=ending, signed=True, unipolar=True))["mismatches"] == 0


def test_thresholds_looked_up_by_beat_pass_from_the_first_frame(make_run):
    assert verify_rtl(make_run(features=24, feature_bits=8, bits=40, bus_bits=8))["mismatches"] == 0


def test_without_a_test_set_frames_are_random_and_counted(make_run):
    result = verify_rtl(make_run(frames=None), frames=20, seed=3)
    assert result["frames"] == 20
    assert result["frames_from"] == "random, seed 3"


def test_nothing_changed_nothing_runs(make_run):
    run = make_run()
    told: list[str] = []
    first = verify_rtl(run, progress=told.append)
    assert verify_rtl(run, progress=told.append) == first
    assert told[-1] == "verify rtl: unchanged"
    assert "seconds" in verify_rtl(run, frames=10, progress=told.append)
    assert told[-1].startswith("verify rtl: 10 frames (test set)")
    (run / "verify" / "rtl.json").write_text("{")  # cut off
    assert verify_rtl(run)["mismatches"] == 0


def test_a_wrong_neuron_is_named(make_run):
    run = make_run(ending="bits", hidden=(8, 6))
    invert(run, "hidden1_n5")
    with pytest.raises(MismatchError, match="layer 'hidden1', neuron 5, cycle") as error:
        verify_rtl(run)
    assert "frames differ" in str(error.value)
    result = stored(run)
    first = result["first_mismatch"]
    assert result["mismatches"] > 1
    assert {first["expected"], first["got"]} == {0, 1}
    # The encoder takes a cycle, then each layer does; frame f enters in cycle f.
    assert first["cycle"] == first["frame"] + 2
    assert (run / "verify" / first["waveform"]).stat().st_size > 0
    assert first["time_ns"] > 0
    with pytest.raises(MismatchError, match="layer 'hidden1', neuron 5"):
        verify_rtl(run)  # from the stored result


def test_a_wrong_score_is_named_with_its_sign(make_run):
    run = make_run(ending="class of scores", signed=True, bus_bits=8)
    plant(run, r"(module head_logic.*?y <= )([^;]*);", r"\1(\2) ^ 12'h080;")
    with pytest.raises(MismatchError, match="layer 'head', neuron 1"):
        verify_rtl(run)
    first = stored(run)["first_mismatch"]
    assert abs(first["expected"] - first["got"]) == 8


def test_a_wrong_output_wire_is_named(make_run):
    run = make_run(ending="votes")
    plant(run, r"assign m_axis_tdata = ([^;]*);", r"assign m_axis_tdata = (\1) ^ 24'h000100;")
    with pytest.raises(MismatchError, match="layer 'output scores', neuron 1"):
        verify_rtl(run)


def test_a_fault_that_shows_late_is_reproduced_from_the_start(make_run):
    run = make_run(ending="bits")
    plant(
        run,
        r"(module hidden1_logic.*?)initial y = 0;(.*?y <= )([^;]*);",
        # After 25 changes of its input, whatever frames these were.
        r"\1 initial y = 0; integer n = 0; always @(x) n = n + 1;\2 (\3) ^ ((n == 25) << 5);",
    )
    with pytest.raises(MismatchError, match="layer 'hidden1', neuron 5"):
        verify_rtl(run)
    assert stored(run)["first_mismatch"]["frame"] > 10


def test_a_wrong_prediction_is_caught(make_run):
    run = make_run()
    path = run / "rtl" / "top.json"
    interface = json.loads(path.read_text())
    interface["latency_cycles"] -= 1
    path.write_text(json.dumps(interface))
    right = interface["latency_cycles"] + 1
    words = f"latency: predicted {right - 1} cycles, measured {right} at frame 0"
    with pytest.raises(MismatchError, match=words):
        verify_rtl(run)
    result = stored(run)
    assert result["mismatches"] == 0
    assert result["latency_cycles"]["measured"] == right
    assert (run / "verify" / result["first_mismatch"]["waveform"]).is_file()


def test_a_broken_handshake_is_caught(make_run):
    run = make_run()
    plant(run, r"(module layers.*?assign input__ready) = [^;]*;", r"\1 = 1'b1;")
    with pytest.raises(MismatchError, match="test 'stalled', frame"):
        verify_rtl(run)


def test_a_corrupted_golden_is_caught(make_run, monkeypatch):
    right = golden.run

    def corrupted(network, frames):
        results = right(network, frames)
        results["scores"] = results["scores"].copy()
        if len(frames) > 1:
            results["scores"][7, 0] ^= 1
        return results

    monkeypatch.setattr("htaflow.sim.verify.golden.run", corrupted)
    run = make_run()
    with pytest.raises(MismatchError, match="frame 7, layer"):
        verify_rtl(run)
    assert stored(run)["mismatches"] == 1


def test_hardware_of_another_network_is_refused(make_run):
    run = make_run()
    other = make_run(bits=13)  # writes network.safetensors and rtl/ anew
    assert other == run
    design = (run / "rtl" / "top.v").read_text(), (run / "rtl" / "top.json").read_text()
    make_run()
    (run / "rtl" / "top.v").write_text(design[0])
    with pytest.raises(BadInputError, match=r"top\.v: it was made from another network; run 'hta"):
        verify_rtl(run)
    (run / "rtl" / "top.json").write_text(design[1])
    with pytest.raises(BadInputError, match="another network"):
        verify_rtl(run)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda run: (run / "rtl" / "top.v").unlink(), r"top\.v: there is no such file; run 'hta"),
        (lambda run: (run / "rtl" / "top.json").write_text("{"), r"top\.json: it is damaged"),
        (lambda run: (run / "rtl" / "top.json").write_text("[]"), r"top\.json: it is damaged"),
        (lambda run: (run / "test.npz").write_bytes(b"PK"), r"test\.npz: .*it is no test set"),
        (lambda run: (run / "network.safetensors").unlink(), "there is no such file"),
    ],
)
def test_a_damaged_run_is_refused(make_run, change, words):
    run = make_run()
    change(run)
    with pytest.raises(BadInputError, match=words):
        verify_rtl(run)
    assert not (run / "verify").exists()


def test_two_at_once_take_turns_and_the_second_finds_the_work_done(make_run):
    run = make_run()
    told: list[str] = []
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: verify_rtl(run, progress=told.append), range(2)))
    assert results[0] == results[1]
    assert any("waiting for another" in line for line in told)
    assert told.count("verify rtl: unchanged") == 1


def test_frames_that_do_not_fit_the_network_are_refused(make_run):
    run = make_run()
    np.savez(run / "test.npz", x=np.full((3, 6), 99), y=np.zeros(3, np.int64))
    with pytest.raises(BadInputError, match=r"frame 0, feature 0: 99 is outside 0\.\.15"):
        verify_rtl(run)


def test_options_are_checked(make_run):
    run = make_run()
    with pytest.raises(BadInputError, match="0 frames cannot be simulated"):
        verify_rtl(run, frames=0)

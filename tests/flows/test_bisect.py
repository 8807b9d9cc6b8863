"""``htaflow bisect``: the layer, neuron and cycle where stations part, and a waveform of it."""

import json
import re

from htaflow.flows.bisect import bisect
from htaflow.flows.cli.main import main
from htaflow.model.integer.file import load_network
from htaflow.model.support.files import write_json


def plant(run, pattern, replacement):
    """Change the generated Verilog once."""
    top = run / "rtl" / "top.v"
    text, count = re.subn(pattern, replacement, top.read_text(), count=1, flags=re.DOTALL)
    assert count == 1
    top.write_text(text)


def times(waveform):
    """The times in a VCD, in ns; its unit is 1 ps."""
    assert "$timescale\n\t1ps" in waveform
    return [int(stamp) / 1000 for stamp in re.findall(r"^#(\d+)$", waveform, re.MULTILINE)]


def test_equal_stations_are_named_and_there_is_no_waveform(make_run, capsys):
    run = make_run(ending="class of votes")
    network = load_network(run / "network.safetensors")
    trained = {"network": network.digest, "accuracy": {"golden": 2.0}, "test_frames": 40}
    write_json(run / "train.json", trained)
    assert main(["bisect", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "PyTorch and golden: no difference in 40 frames when it was trained; golden's" in shown
    assert "golden and rtl: no difference in 40 frames" in shown
    assert not (run / "verify" / "mismatch.vcd").exists()


def test_a_wrong_neuron_is_found_and_shown(make_run, capsys):
    run = make_run(frames=60, ending="bits", hidden=(8, 6))
    plant(run, r"wire hidden1_n5 = ([^;]*);", r"wire hidden1_n5 = ~(\1);")
    assert main(["bisect", str(run)]) == 1
    shown = capsys.readouterr().out
    assert "PyTorch and golden: not compared: the network was not trained here" in shown
    assert "golden and rtl: they part: full_rate: frame" in shown
    result = bisect(run)
    first = result["parting"]
    assert (first["layer"], first["neuron"]) == ("hidden1", 5)
    assert first["cycle"] == first["frame"] + 2
    assert {first["expected"], first["got"]} == {0, 1}
    waveform = (run / "verify" / "mismatch.vcd").read_text()
    assert times(waveform)[0] <= first["time_ns"] <= times(waveform)[-1]
    assert times(waveform)[-1] - times(waveform)[0] <= 400
    assert re.search(r"\$var wire 1 \S+ hidden1_n5 \$end", waveform)
    assert "hidden2_n0" not in waveform  # another layer's
    options = json.loads((run / "verify" / "replay" / "bench.json").read_text())
    assert "vcd" not in options
    kept = waveform.splitlines()[3:]
    (run / "verify" / "mismatch.vcd").unlink()
    bisect(run)
    assert (run / "verify" / "mismatch.vcd").read_text().splitlines()[3:] == kept


def test_a_wrong_prediction_has_no_layer_but_a_waveform_of_the_start(make_run):
    run = make_run()
    path = run / "rtl" / "top.json"
    interface = json.loads(path.read_text())
    path.write_text(json.dumps(interface | {"latency_cycles": interface["latency_cycles"] - 1}))
    result = bisect(run)
    assert "latency: predicted" in result["compared"][1]["answer"]
    assert result["parting"]["layer"] is None
    assert times((run / "verify" / "mismatch.vcd").read_text())[0] == 0


def test_a_wrong_handshake_is_cropped_to_its_moment(make_run):
    run = make_run(frames=40, bus_bits=8, ending="bits")
    plant(run, r"(module layers.*?assign input__ready) = [^;]*;", r"\1 = 1'b1;")
    result = bisect(run)
    first = result["parting"]
    assert first["test"] == "stalled"
    stamps = times((run / "verify" / "mismatch.vcd").read_text())
    assert stamps[0] <= first["time_ns"] <= stamps[-1]

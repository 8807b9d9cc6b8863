"""What ``tests/fuzz/run.py`` and ``tests/fuzz/line.py`` do for minutes, here for seconds."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import line
from fuzz.guard import bounded_memory, bounded_time, tree
from fuzz.mutate import flip, hostile, pack, to_json, to_toml, unpack
from fuzz.targets import TARGETS, network, results

SECONDS = 20.0
"""What reading one small file may take, on a machine that does much else."""

EXAMPLES = {"images": 60, "results": 25, "npz": 60, "idx": 60, "board": 60}


@pytest.mark.parametrize("name", TARGETS)
def test_valid_input_is_accepted(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    for number, seed in enumerate(target.seeds()):
        folder = tmp_path / str(number)
        folder.mkdir()
        refused = name == "reply" and number >= 4  # those without a reply in them
        assert target.check(seed, folder) != refused


@pytest.mark.parametrize("name", TARGETS)
def test_altered_input_is_refused_in_words_or_good(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    seeds = target.seeds()

    @settings(max_examples=EXAMPLES.get(name, 120), suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(seeds), st.integers(0, 2**32 - 1), st.integers(1, 3))
    def check(data: bytes, seed: int, rounds: int) -> None:
        rng = random.Random(seed)
        for _ in range(rounds):
            data = target.mutate(data, rng, lambda raw: flip(raw, rng))
        with bounded_time(SECONDS):
            target.check(data, tmp_path)

    check()


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(name: str, data: bytes, tmp_path: Path) -> None:
    with bounded_time(SECONDS):
        TARGETS[name].check(data, tmp_path)


def test_what_is_no_error_for_users_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise KeyError("layers")

    monkeypatch.setattr(network, "load_network", fail)
    target = TARGETS["network"]
    with pytest.raises(KeyError):
        target.check(target.seeds()[0], tmp_path)


def test_a_file_outside_the_run_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(arguments: list[str]) -> tuple[int, str]:
        (tmp_path / "x").touch()
        return 0, ""

    monkeypatch.setattr(results, "call", write)
    target = TARGETS["results"]
    with pytest.raises(AssertionError, match="it wrote outside the run"):
        target.check(target.seeds()[0], tmp_path)


def test_memory_and_time_are_bounded() -> None:
    with pytest.raises(MemoryError), bounded_memory(1 << 26):
        bytes(1 << 28)
    assert bytes(1 << 28)[0] == 0
    with pytest.raises(TimeoutError), bounded_time(0.05):
        while True:
            pass


def test_a_tree_tells_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    before = tree(tmp_path, tmp_path / "run")
    (tmp_path / "run" / "inside").touch()
    assert tree(tmp_path, tmp_path / "run") == before
    (tmp_path / "outside").touch()
    assert tree(tmp_path, tmp_path / "run") != before


def test_mutations_keep_the_container_whole() -> None:
    (seed, *_) = TARGETS["network"].seeds()
    parts = unpack(seed)
    assert parts is not None
    assert unpack(pack(*parts)) == parts
    read = 0
    rng = random.Random(1)
    for _ in range(200):
        read += unpack(TARGETS["network"].mutate(seed, rng, lambda raw: flip(raw, rng))) is not None
    assert read > 150
    assert "[[" in to_json([hostile(random.Random(seed)) for seed in range(50)])
    assert to_toml({"a": {"b": [1, 0.5]}}) == '"a" = {"b" = [1, 0.5]}\n'


# --- The serial line ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def device() -> line.Device:
    return line.small_device()


def play(device: line.Device, folder: Path, episodes: int, seed: int) -> list[str]:
    text, replies = line.script(device, random.Random(seed), episodes)
    said = line.simulate(device.verilog, text, folder)
    return line.judge(said, replies, device.results)


def test_after_any_noise_and_the_quiet_time_the_next_request_is_answered(
    device: line.Device, tmp_path: Path
) -> None:
    assert play(device, tmp_path, 25, seed=1) == []


def test_without_the_quiet_time_it_is_not_and_the_bench_says_so(
    device: line.Device, tmp_path: Path
) -> None:
    hasty = replace(device, quiet=device.quiet // 8)
    wrong = play(hasty, tmp_path, 25, seed=1)
    assert any("answer" in words for words in wrong)


def test_a_wrong_answer_is_seen(device: line.Device, tmp_path: Path) -> None:
    swapped = (*device.results[1:], device.results[0])
    assert len(set(device.results)) > 1
    text, replies = line.script(replace(device, results=swapped), random.Random(1), 5)
    assert line.judge(line.simulate(device.verilog, text, tmp_path), replies, device.results)


@pytest.mark.slow
@pytest.mark.parametrize("feature_bits", [4, 12])
def test_a_thousand_times(feature_bits: int, tmp_path: Path) -> None:
    assert play(line.small_device(feature_bits), tmp_path, 500, seed=2) == []

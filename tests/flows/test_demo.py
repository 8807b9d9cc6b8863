from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import htaflow.sim.verify
from htaflow.flows import demo as module
from htaflow.flows.demo import BOARDS, demo
from htaflow.model.support.errors import MismatchError


def test_the_steps_run_in_order_and_a_mismatch_stops_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def fake(name: str) -> Any:
        def step(*arguments: Any, **options: Any) -> str:
            assert tmp_path in arguments
            steps.append(name)
            return name

        return step

    for name in ("convert", "build_all", "report"):
        monkeypatch.setattr(module, name, fake(name))
    train_module = import_module("htaflow.model.training.train")
    monkeypatch.setattr(train_module, "train", fake("train"))
    monkeypatch.setattr(htaflow.sim.verify, "verify_rtl", fake("verify"))
    results = demo(tmp_path)
    assert steps == ["train", "convert", "verify", "build_all", "report"]
    assert list(results) == ["train", "convert", "verify", "build", "page"]
    assert set(BOARDS) == {"icebreaker", "ulx3s-25f"}

    def mismatch(*arguments: Any, **options: Any) -> None:
        raise MismatchError("frame 3 differs")

    monkeypatch.setattr(htaflow.sim.verify, "verify_rtl", mismatch)
    steps.clear()
    with pytest.raises(MismatchError):
        demo(tmp_path)
    assert steps == ["train", "convert"]

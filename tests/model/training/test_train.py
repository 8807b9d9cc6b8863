import dataclasses
import json
from importlib import import_module

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from htaflow.model.data.load import load
from htaflow.model.integer import golden
from htaflow.model.integer.file import load_network
from htaflow.model.nn.block import Hidden
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.model.training import fit as fit_module
from htaflow.model.training import zoo
from htaflow.model.training.recipe import Neurons
from htaflow.model.training.train import train


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A recipe that trains in a second or two."""
    recipe = dataclasses.replace(
        zoo.ZOO["digits"], name="tiny", hidden=(Neurons(40, 4, 20), Neurons(20, 3, 9)), epochs=4
    )
    monkeypatch.setitem(zoo.ZOO, "tiny", recipe)
    return recipe


def interrupt_after(epochs: int):
    """A listener that stops training as Ctrl-C does."""

    def listen(line: str) -> None:
        if line.startswith(f"epoch {epochs}/"):
            raise KeyboardInterrupt

    return listen


def interrupted(out, epochs=2, **options):
    with pytest.raises(KeyboardInterrupt):
        train("tiny", "digits", out, progress=interrupt_after(epochs), **options)
    return out / "checkpoint.safetensors"


def change(path, alter):
    """Rewrite a checkpoint with its tensors altered."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    alter(tensors, metadata)
    save_file(tensors, path, metadata=metadata)


def test_a_recipe_of_ones_own_trains_like_one_of_the_zoo(tmp_path, tiny):
    mine = dataclasses.replace(tiny, name="my-own", epochs=1)
    result = train(mine, "digits", tmp_path / "mine")
    assert (result["model"], result["recipe"]["name"]) == ("my-own", "my-own")
    network = load_network(tmp_path / "mine" / "network.safetensors")
    assert network.name == "my_own"
    assert train("tiny", "digits", tmp_path / "tiny", epochs=1)["recipe"] is None
    zoos = load_network(tmp_path / "tiny" / "network.safetensors")
    for one, other in zip(network.layers, zoos.layers, strict=True):
        assert one.scalars == other.scalars
        assert all(np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


@pytest.mark.parametrize("name", ["My net", "", "x" * 41, "top"])
def test_a_recipe_whose_name_no_network_can_have_is_refused(name, tmp_path, tiny):
    with pytest.raises(BadInputError, match="its name cannot be that of a network; use a lower"):
        train(dataclasses.replace(tiny, name=name), "digits", tmp_path)
    assert not (tmp_path / "train.json").exists()


@pytest.mark.parametrize("mode", ["hard", "smooth"])
def test_training_leaves_a_proved_network_and_its_test_set(tmp_path, mode):
    said: list[str] = []
    result = train("tiny", "digits", tmp_path, mode=mode, seed=3, progress=said.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "network.safetensors",
        "test.npz",
        "train.json",
    ]
    assert json.loads((tmp_path / "train.json").read_text()) == result
    network = load_network(tmp_path / "network.safetensors")
    assert network.digest == result["network"]
    assert network.name == "tiny"
    assert network.layers[1].fan_in.max() == 4
    assert network.layers[2].fan_in.max() == 3
    test = np.load(tmp_path / "test.npz")
    dataset = load("digits")
    assert np.array_equal(test["x"], dataset.x_test)
    assert np.array_equal(test["y"], dataset.y_test)
    right = golden.run(network, test["x"])["class"][:, 0] == test["y"]
    assert result["accuracy"]["golden"] == result["accuracy"]["hard"] == right.mean()
    assert result["accuracy"]["golden"] > 0.4
    assert result["accuracy"]["float"] > 0.4
    assert [entry["epoch"] for entry in result["history"]] == [1, 2, 3, 4]
    assert result["test_frames"] == len(test["x"])
    assert result["classes"] == list("0123456789")
    assert result["mode"] == mode
    assert sum(line.startswith("epoch ") for line in said) == 4
    assert "left" in said[1]


def test_weights_are_trained_through_htaf_and_lowered_exactly(tmp_path, tiny, monkeypatch):
    monkeypatch.setitem(zoo.ZOO, "tiny", dataclasses.replace(tiny, weights="htaf"))
    through = train("tiny", "digits", tmp_path / "htaf")
    assert through["accuracy"]["golden"] == through["accuracy"]["hard"] > 0.4
    monkeypatch.setitem(zoo.ZOO, "tiny", tiny)
    straight = train("tiny", "digits", tmp_path / "straight-through")
    assert through["inputs"] != straight["inputs"]
    assert through["network"] != straight["network"]


def test_resumed_training_ends_in_the_same_bits(tmp_path):
    whole = train("tiny", "digits", tmp_path / "whole")
    checkpoint = interrupted(tmp_path / "parts", 1)
    interrupted(tmp_path / "parts", 3)
    said: list[str] = []
    parts = train("tiny", "digits", tmp_path / "parts", progress=said.append)
    assert "resuming after epoch 3/4" in said
    assert not checkpoint.exists()
    for key in ("network", "accuracy", "history", "test_digest", "inputs"):
        assert parts[key] == whole[key]


def test_seeds_differ_and_repeat(tmp_path):
    first, second, third = (
        train("tiny", "digits", tmp_path / str(n), seed=seed, epochs=1)["network"]
        for n, seed in enumerate((1, 1, 2))
    )
    assert first == second != third


def test_unchanged_training_is_not_run_again(tmp_path, monkeypatch):
    result = train("tiny", "digits", tmp_path, epochs=1)
    said: list[str] = []

    with monkeypatch.context() as patch:
        train_module = import_module("htaflow.model.training.train")
        patch.setattr(train_module, "fit", None)  # would fail if it were called
        assert train("tiny", "digits", tmp_path, epochs=1, progress=said.append) == result
    assert said == ["train: unchanged"]

    assert train("tiny", "digits", tmp_path, epochs=2)["inputs"] != result["inputs"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: (run / "network.safetensors").unlink(),
        lambda run: (run / "network.safetensors").write_bytes(b"half"),
        lambda run: (run / "test.npz").write_bytes(b"half"),
        lambda run: (run / "train.json").write_text("{"),
        lambda run: (run / "train.json").write_text("[]"),
    ],
)
def test_damaged_results_are_made_again(tmp_path, damage):
    result = train("tiny", "digits", tmp_path, epochs=1)
    damage(tmp_path)
    again = train("tiny", "digits", tmp_path, epochs=1)
    assert again["network"] == result["network"]
    assert (tmp_path / "test.npz").stat().st_size > 100


def test_starting_afresh_ignores_what_is_there(tmp_path):
    interrupted(tmp_path)
    said: list[str] = []
    result = train("tiny", "digits", tmp_path, resume=False, epochs=1, progress=said.append)
    assert not any("resuming" in line for line in said)
    train("tiny", "digits", tmp_path, resume=False, epochs=1, progress=said.append)
    assert "train: unchanged" not in said
    assert len(result["history"]) == 1


def test_checkpoint_of_another_training_is_refused_and_kept(tmp_path):
    checkpoint = interrupted(tmp_path)
    before = checkpoint.read_bytes()
    with pytest.raises(BadInputError, match="another training: its seed is 0, not 1; use another"):
        train("tiny", "digits", tmp_path, seed=1)
    with pytest.raises(BadInputError, match="its epochs is 4, not 9"):
        train("tiny", "digits", tmp_path, epochs=9)
    assert checkpoint.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def set_first(name, value):
    def alter(tensors, metadata):
        tensors[name].view(-1)[0] = value

    return alter


def set_header(**entries):
    def alter(tensors, metadata):
        header = json.loads(metadata["htaflow-checkpoint"])
        metadata["htaflow-checkpoint"] = json.dumps(header | entries)

    return alter


@pytest.mark.parametrize(
    ("alter", "match"),
    [
        (
            set_first("model.hidden1.linear.latent", float("nan")),
            r"tensor 'model.hidden1.linear.latent' holds nan at \[0, 0\]",
        ),
        (set_first("optimizer.0.exp_avg", float("inf")), "tensor 'optimizer.0.exp_avg' holds inf"),
        (
            lambda t, m: t.pop("model.hidden2.norm.bias"),
            "tensor 'model.hidden2.norm.bias' is not as the model",
        ),
        (
            lambda t, m: t.update({"model.hidden2.norm.bias": torch.zeros(3)}),
            "tensor 'model.hidden2.norm.bias' is not as the model",
        ),
        (
            lambda t, m: t.update({"optimizer.1.exp_avg": torch.zeros(3)}),
            "tensor 'optimizer.1.exp_avg' fits no parameter",
        ),
        (
            lambda t, m: t.update({"optimizer.99.exp_avg": torch.zeros(3)}),
            "tensor 'optimizer.99.exp_avg' fits no parameter",
        ),
        (
            lambda t, m: [t.pop(key) for key in list(t) if key.startswith("optimizer.2.")],
            "lacks state of the optimiser",
        ),
        (lambda t, m: m.clear(), "is truncated or not a valid checkpoint"),
        (
            lambda t, m: m.update({"htaflow-checkpoint": "[]"}),
            "is truncated or not a valid checkpoint",
        ),
        (set_header(epochs=7), "its history is damaged"),
        (set_header(configuration=None), "its 'configuration' has the wrong type"),
        (set_header(configuration={}), "another training"),
    ],
)
def test_damaged_checkpoint_is_refused(tmp_path, alter, match):
    change(interrupted(tmp_path, 1), alter)
    with pytest.raises(BadInputError, match=match) as caught:
        train("tiny", "digits", tmp_path)
    assert caught.value.exit_code == 2
    assert "checkpoint.safetensors" in str(caught.value)


def test_truncated_checkpoint_is_refused(tmp_path):
    checkpoint = interrupted(tmp_path, 1)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-10])
    with pytest.raises(BadInputError, match="not a valid checkpoint"):
        train("tiny", "digits", tmp_path)


def test_diverging_training_stops_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    def diverge(self, bits):
        return torch.full((len(bits), 10), float("nan"), requires_grad=True)

    monkeypatch.setattr("htaflow.model.nn.network.BinaryNetwork.decide", diverge)
    with pytest.raises(BadInputError, match="epoch 1, step 1: the loss is nan; try another seed"):
        train("tiny", "digits", tmp_path)
    assert not list(tmp_path.iterdir())


def test_parameters_that_are_no_numbers_are_not_saved(tmp_path, tiny, monkeypatch):
    # The sign of NaN is a number, so the loss alone would not tell.
    monkeypatch.setitem(zoo.ZOO, "tiny", dataclasses.replace(tiny, learning_rate=1e300, batch=5000))
    with pytest.raises(BadInputError, match=r"tensor 'model.*' holds|the loss is nan"):
        train("tiny", "digits", tmp_path)
    assert not list(tmp_path.iterdir())


def test_mismatch_leaves_no_network(tmp_path, monkeypatch):
    lower = Hidden.lower

    def wrong(self, name):
        dense = lower(self, name)
        return dataclasses.replace(dense, thresholds=dense.bounds[0])

    monkeypatch.setattr(Hidden, "lower", wrong)
    with pytest.raises(MismatchError, match=r"layer 'hidden1', neuron .*, frame"):
        train("tiny", "digits", tmp_path, epochs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"mode": "soft"}, "no mode 'soft'"),
        ({"epochs": 0}, "epochs is 0; use at least 1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, options, match):
    with pytest.raises(BadInputError, match=match):
        train("tiny", "digits", tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_users_table_with_text_labels_trains(tmp_path, rng):
    rows = rng.integers(-50, 50, (200, 4))
    names = np.where(rows[:, 0] + rows[:, 1] > 0, "above", "below")
    lines = [",".join(map(str, row)) + "," + name for row, name in zip(rows, names, strict=True)]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["a,b,c,d,label", *lines]))
    result = train("table", path, tmp_path / "run", epochs=10)
    assert result["classes"] == ["above", "below"]
    assert result["accuracy"]["golden"] > 0.8


def test_dense_recipe_trains(tmp_path):
    result = train("digits-dense", "digits", tmp_path, epochs=3)
    network = load_network(tmp_path / "network.safetensors")
    assert network.layers[1].fan_in.min() == network.encode.source.size
    assert network.layers[2].thresholds is None
    assert result["accuracy"]["golden"] > 0.8


def test_last_frames_that_fill_no_batch_wait_for_another_epoch():
    numbers = torch.Generator().manual_seed(0)
    batches = list(fit_module._batches(10, 4, numbers))
    assert [len(batch) for batch in batches] == [4, 4]
    assert [len(batch) for batch in fit_module._batches(3, 64, numbers)] == [3]


def test_the_network_of_another_training_is_not_replaced(tmp_path):
    first = train("tiny", "digits", tmp_path / "run")
    with pytest.raises(BadInputError, match="its seed is '0', not '1'; use another folder"):
        train("tiny", "digits", tmp_path / "run", seed=1)
    assert train("tiny", "digits", tmp_path / "run") == first
    second = train("tiny", "digits", tmp_path / "run", seed=1, resume=False)
    assert second["seed"] == 1

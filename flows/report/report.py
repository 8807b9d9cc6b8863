"""One page that says everything about a run, and the same facts as JSON."""

import base64
import importlib.resources
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from htaflow.flows.build.seeds import spread
from htaflow.flows.proof.certificates import certificates
from htaflow.flows.report.concepts import collect_concepts, draw_concepts
from htaflow.flows.report.features import describe_features
from htaflow.flows.report.parameters import kind, parameters, spikes
from htaflow.flows.report.rerun import STEPS, command_lines
from htaflow.flows.report.svg import describe_fan_in, draw_curves, draw_network
from htaflow.flows.summary import feature_line
from htaflow.model.integer import golden
from htaflow.model.integer.network import Network, Spiking
from htaflow.model.run_directory import Run, read_result, unchanged
from htaflow.model.support.arguments import checked
from htaflow.model.support.files import digest, locked_folder, to_json, write_together
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import (
    BoardReport,
    Interface,
    Level,
    Mutation,
    Object,
    Training,
    Used,
    Verification,
    misfit,
)

MAX_PICTURE = 4 << 20
"""Bytes of a floorplan above which the page only names its file."""

Facts = Mapping[str, Any]

_OTHER = dict.fromkeys(("explanation", "verification"), "a different network or hardware")


@checked
def report(run: str | Path, *, progress: Progress = silent) -> Path:
    """Write ``RUN/report/index.html`` and ``RUN/report/report.json``; return the page's path.

    The page is one file without scripts or outside requests. Steps that have not run yet are
    named on it, with the command that runs them.

    Raises:
        BadInputError: the run has no valid network, or one of its result files is damaged.
    """
    run = Path(run)
    here = Run(run)
    network = here.load_network()
    with locked_folder(
        here.page.parent, lambda: progress("report: waiting for another one of the run")
    ):
        return _write(here, network, progress)


def _write(here: Run, network: Network, progress: Progress) -> Path:
    """Collect, draw and write the report, unless it is there already."""
    facts = collect(here, network)
    pictures = {name: _picture(here.board(name) / "floorplan.svg") for name in facts["boards"]}
    page = render(facts, network, pictures, draw_concepts(here, network, facts["concepts"]))
    inputs = digest(json.dumps(facts), page)
    if unchanged(here.facts, inputs, Object, [here.page]) is not None:
        progress("report: unchanged")
        return here.page
    write_together({here.page: page, here.facts: to_json({**facts, "inputs": inputs})})
    progress(f"report: wrote {here.page}")
    return here.page


def collect(run: Run, network: Network) -> Facts:
    """Return what ``report.json`` holds: every fact that the page shows, as plain JSON values.

    A part whose step has not run, or ran on a different network, is ``None`` (or absent among the
    boards) and listed in ``missing`` with the command that makes it.
    """
    results: dict[str, Facts | None] = {
        "training": read_result(run.train, Training),
        "rtl": read_result(run.interface, Interface),
        "verification": read_result(run.verify(), Verification),
        "mutation": read_result(run.verify("mutation"), Mutation),
        **{name: read_result(run.board_report(name), BoardReport) for name in run.boards},
    }
    stale = _drop_stale(results, network, run)
    training = results["training"]
    confusion = _confusion(run, network)
    accuracy: dict[str, Any] = dict(training["accuracy"]) if training else {}
    if confusion and confusion["frames"]:
        accuracy["golden"] = float(np.trace(confusion["counts"]) / confusion["frames"])
    concepts = collect_concepts(run, network)
    return {
        "network": {
            "name": network.name,
            "kind": kind(network),
            "digest": network.digest,
            "features": network.encode.features,
            "feature_bits": network.encode.feature_bits,
            "layers": _describe(run, network),
        },
        "features": describe_features(run.load_features(network)),
        **{name: results[name] for name in STEPS},
        "levels": _levels(run, network, results),
        "accuracy": accuracy,
        "confusion": confusion,
        "concepts": concepts,
        "proofs": certificates(run, network),
        "boards": {name: board for name, board in results.items() if board and name not in STEPS},
        "missing": _find_missing(results, stale, run, concepts),
        "versions": _versions(results),
        "rerun": command_lines(
            run, results, [each["frame"] for each in concepts["explained"]] if concepts else []
        ),
    }


def _levels(run: Run, network: Network, results: Mapping[str, Facts | None]) -> list[Facts]:
    """Return what was verified at each level, of what is here now."""
    found = [read_result(path, Level) for path in run.deeper_levels]
    below = [
        result
        for result in found
        if result and result["network"] == network.digest and run.is_current(result["of"])
    ]
    verification = results["verification"]
    return [*([{"level": "rtl", **verification}] if verification else []), *below]


def _drop_stale(parts: dict[str, Facts | None], network: Network, run: Run) -> list[str]:
    """Set the results of a different network or hardware to ``None``; return their names."""
    stale = [
        name
        for name, result in parts.items()
        if result
        and (
            result.get("digest", result.get("network", network.digest)) != network.digest
            or not run.is_current(result.get("of", {}))
        )
    ]
    for name in stale:
        parts[name] = None
    return stale


def _find_missing(
    results: Mapping[str, Facts | None], stale: list[str], run: Run, concepts: Facts | None
) -> list[Facts]:
    """Return what is not there yet: its name, why, and the command that makes it."""
    where = shlex.quote(str(run.path))
    commands = {
        "rtl": f"htaflow convert {where}",
        "verification": f"htaflow verify {where}",
    }
    if "training" in stale:  # a network that was never trained here lacks nothing
        commands["training"] = f"htaflow train MODEL --out {where}"
    if concepts and concepts["weights"] and not concepts["explained"] and run.test.is_file():
        if run.explanations:
            stale = [*stale, "explanation"]
        commands["explanation"] = f"htaflow explain {where} --frame 0"
    built = [name for name, result in results.items() if name not in STEPS and result]
    commands |= {
        name: f"htaflow build {where} --board {shlex.quote(name)}"
        for name in results
        if name not in STEPS
    }
    if not built:
        commands.setdefault("boards", f"htaflow build {where} --board icebreaker")
    return [
        {
            "part": name,
            "why": f"made from {_OTHER.get(name, 'a different network')}"
            if name in stale
            else "not run yet",
            "command": command,
        }
        for name, command in commands.items()
        if not results.get(name)
    ]


def _describe(run: Run, network: Network) -> list[dict[str, Any]]:
    """Return what the table of layers shows of each layer."""
    spiking_layers = any(isinstance(layer, Spiking) for layer in network.layers)
    test = run.load_test(network) if spiking_layers else None
    spiking = {} if test is None else spikes(network, test[0])
    described = []
    fed = network.input
    for layer, values in zip(network.layers, network.values.values(), strict=True):
        yields = f"{values.low} to {values.high}" if values.count == 1 else str(values)
        facts: dict[str, Any] = {"name": layer.name, "type": layer.type, "yields": yields}
        if layer.fan_in is not None:
            facts["fan_in"] = describe_fan_in(layer.fan_in)
            facts["weights"] = int(layer.fan_in.sum())
        facts["parameters"] = parameters(layer, fed)
        if layer.name in spiking:
            facts["parameters"]["spikes"] = spiking[layer.name]
        described.append(facts)
        fed = values
    return described


def _confusion(run: Run, network: Network) -> Facts | None:
    """Count golden's answers on the test set: rows are true classes, columns answers.

    ``None`` without a test set, or when the network yields no class.
    """
    test = run.load_test(network)
    if test is None or "class" not in network.outputs:
        return None
    frames, labels = test
    names = run.class_names(network)
    size = len(names)
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (labels, golden.run(network, frames)["class"][:, 0]), 1)
    return {"classes": names, "counts": counts.tolist(), "frames": len(labels)}


def _versions(results: Mapping[str, Facts | None]) -> dict[str, str]:
    """Return each tool's version as the steps recorded it; several if they differ."""
    seen: dict[str, set[str]] = {}
    for result in results.values():
        for tool, version in ((result or {}).get("versions") or {}).items():
            seen.setdefault(str(tool), set()).add(str(version))
        if result and "simulator" in result:
            seen.setdefault("simulator", set()).add(str(result["simulator"]))
    return {tool: ", ".join(sorted(versions)) for tool, versions in sorted(seen.items())}


def _picture(path: Path) -> str | None:
    """Return an SVG file as a ``data:`` address, or ``None`` if there is none of a sane size.

    As the source of an ``<img>`` it cannot run scripts or fetch anything.
    """
    if not path.is_file() or path.stat().st_size > MAX_PICTURE:
        return None
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()


def render(
    facts: Facts, network: Network, pictures: Mapping[str, str | None], examples: Facts
) -> str:
    """Return the page that shows ``facts`` (see :func:`collect`), as HTML.

    ``pictures`` are floorplans by board, ``examples`` frames that show what concepts are.
    """
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": _percent,
        "number": _number,
        "resources": _resources,
        "spread": spread,
        "feature_line": feature_line,
    }
    history = (facts["training"] or {}).get("history") or []
    return environment.from_string(_template()).render(
        **facts,
        drawing=draw_network(network),
        curves=_curves(history),
        pictures=pictures,
        examples=examples,
    )


def _template() -> str:
    folder = importlib.resources.files("htaflow.flows.report")
    return folder.joinpath("report.html").read_text(encoding="utf-8")


def _curves(history: list[Facts]) -> dict[str, Markup]:
    """Draw the training history, a chart for accuracy and one for loss."""
    charts = {
        "Accuracy": {"training": "train_accuracy", "test": "test_accuracy"},
        "Loss": {"training": "loss"},
    }
    drawn = {}
    for title, names in charts.items():
        curves = {
            name: [float(epoch[key]) for epoch in history]
            for name, key in names.items()
            if history and all(isinstance(epoch.get(key), int | float) for epoch in history)
        }
        if curves:
            drawn[title] = draw_curves(title, curves, percent=title == "Accuracy")
    return drawn


def _resources(board: Facts) -> dict[str, Facts]:
    """Return the board's resources: every entry that counts what is used of what there is."""
    found = {
        name: {**entry, "share": entry["used"] / max(1, entry["available"])}
        for name, entry in board.items()
        if misfit(entry, Used) is None
    }
    first = [name for name in ("LUT", "FF", "BRAM", "IO") if name in found]
    return {name: found[name] for name in dict.fromkeys([*first, *found])}


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def _number(value: float) -> str:
    """Format a number with thousands separated and no more decimals than it needs."""
    return f"{value:,.10g}"

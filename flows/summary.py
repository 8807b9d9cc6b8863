"""Results of the steps as rows of text, for a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from htaflow.flows.build.seeds import spread

if TYPE_CHECKING:  # the command line imports this module, and its --help must be fast
    from htaflow.flows.doctor import ToolStatus
    from htaflow.model.run_directory import Run
    from htaflow.model.support.results import ImportFacts

Rows = list[tuple[str, ...]]

_RESOURCES = ("LUT", "FF", "BRAM")
_PHASES = {"stalled": "with stalls", "reset": "with resets", "framing": "beside bad frames"}


def train_rows(result: Mapping[str, Any]) -> Rows:
    """Accuracy of each form of the network on the test frames."""
    kinds = (f"{kind} {100 * value:.2f} %" for kind, value in result["accuracy"].items())
    return [("accuracy", ", ".join(kinds)), ("test frames", str(result["test_frames"]))]


def convert_rows(interface: Mapping[str, Any]) -> Rows:
    """What the hardware takes and yields, and its predicted cycles."""
    beats = counted(interface["beats"], "beat")
    return [
        ("input", f"{beats} of {interface['bus_bits']} bits a frame"),
        ("output", f"{interface['output_bits']} bits a frame"),
        ("latency", counted(interface["latency_cycles"], "cycle")),
        ("interval", counted(interface["interval_cycles"], "cycle")),
    ]


def import_rows(facts: "ImportFacts") -> Rows:
    """What the comparison of an imported network with its graph found."""
    frames, rounded = facts["frames"], facts["by_rounding"]
    rows: Rows = [("imported", facts["file"])]
    if facts["results_that_differ"]:
        rows.append(
            (
                "compared",
                f"{counted(frames, 'frame')}: {facts['results_that_differ']} differ, {rounded} of "
                "them where single precision takes the other side of a threshold; golden is exact",
            )
        )
    else:
        rows.append(("compared", f"{counted(frames, 'frame')} with the model's execution: equal"))
    if facts["accuracy"] is not None:
        accuracy = facts["accuracy"]
        rows.append(
            ("accuracy", f"golden {accuracy['golden']:.2f} %, the model {accuracy['graph']:.2f} %")
        )
    if facts["left_out"]:
        rows.append(("left out", f"{', '.join(facts['left_out'])}: it does not change the class"))
    return rows


def verify_rows(result: Mapping[str, Any]) -> Rows:
    """Frames compared, mismatches found, and cycles predicted and measured."""
    rows: Rows = [("verified", _frames(result))]
    for name, words in _PHASES.items():
        if name in result:
            rows.append((words, _frames(result[name])))
    for name in ("latency", "interval"):
        cycles = result[f"{name}_cycles"]
        rows.append(
            (
                name,
                f"{counted(cycles['predicted'], 'cycle')} predicted, {cycles['measured']} measured",
            )
        )
    return rows


def level_rows(results: Sequence[Mapping[str, Any]]) -> Rows:
    """Frames, mismatches and cycles at each level, a row a level."""
    rows: Rows = [
        ("level", "frames", "mismatches", "latency: predicted", "measured", "interval", "measured")
    ]
    for result in results:
        cycles = [
            str(result[f"{name}_cycles"][which])
            for name in ("latency", "interval")
            for which in ("predicted", "measured")
        ]
        # Those that also went through with stalls, resets or damage count as frames.
        phases = [result, *(result[name] for name in _PHASES if name in result)]
        frames, mismatches = (
            str(sum(phase[name] for phase in phases)) for name in ("frames", "mismatches")
        )
        rows.append((result["level"], frames, mismatches, *cycles))
    return rows


def mutate_rows(result: Mapping[str, Any]) -> Rows:
    """How many faults of each kind were caught, and how many are equivalent or survived."""
    columns = ("mutants", "caught", "equivalent", "survived")
    rows: Rows = [("fault", "injected", *columns[1:])]
    for row in result["by_kind"]:
        rows.append((row["kind"], *(str(row[column]) for column in columns)))
    counts = [len(result["results"]), *(result[column] for column in columns[1:])]
    rows.append(("all", *map(str, counts)))
    return rows


def mutate_lines(result: Mapping[str, Any]) -> list[str]:
    """The score, the corrupted references, and every fault that was not caught, with its reason."""
    reference = result["reference"]
    lines = [
        f"score: {100 * result['score']:.1f} % of the faults that change anything were caught, "
        f"{result['caught_directed']} of them with a frame that was looked for",
        f"corrupted references: {reference['caught']} of {reference['corrupted']} made it fail",
        *(f"not noticed: {name}" for name in reference["missed"]),
    ]
    for fault in result["results"]:
        if fault["verdict"] != "caught":
            place = "".join(f", {name} {value}" for name, value in fault["site"].items())
            where = f"{fault['kind']}, {fault['layer']}{place}"
            lines.append(f"{fault['verdict']}: {where}: {fault['reason']}")
    return lines


def bisect_lines(result: Mapping[str, Any]) -> list[str]:
    """Which stations were compared, and where they part, if they do."""
    lines = [f"{pair['stations']}: {pair['answer']}" for pair in result["compared"]]
    if not (parting := result["parting"]):
        return lines
    place = [f"test '{parting['test']}'"]
    for name in ("frame", "layer", "neuron", "step", "cycle"):
        if parting[name] is not None:
            place.append(f"{name} {parting[name]}")
    lines.append(", ".join(place) + f": expected {parting['expected']}, got {parting['got']}")
    if blamed := parting["blamed"]:
        lines.append(f"not what it was made from: {blamed}")
    if result["waveform"]:
        when = parting["time_ns"]
        at = "" if when is None else f", at {when:g} ns"
        lines.append(f"waveform: {result['waveform']}{at}")
    return lines


def seed_lines(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How far the clock spreads over the placer's seeds, a line for each board with several."""
    spreads = {report["board"]: spread(report) for report in reports.values()}
    return [f"{name}: fmax {found}" for name, found in spreads.items() if found]


def build_rows(run: "Run", reports: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Speed, resources and bitstream of the boards built in ``run``, a row a board."""
    rows: Rows = [("board", "fmax", "clock", *_RESOURCES, "bitstream")]
    for report in reports.values():
        name = report["board"]
        used = (f"{report[kind]['used']}/{report[kind]['available']}" for kind in _RESOURCES)
        clocks = (f"{report[key]:.1f} MHz" for key in ("fmax_mhz", "clock_mhz"))
        rows.append((name, *clocks, *used, str(run.board(name) / report["bitstream"])))
    return rows


def diagnostic_lines(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the tools warned of, a line each, with the name of the board or the level before it."""
    return [
        f"{name}: {each['severity']}: {each['kind']}: {each['text']} "
        f"({each['tool']}; {each['log']}, line {each['line']})"
        for name, result in results.items()
        for each in result.get("diagnostics", [])
    ]


def decision_line(result: Mapping[str, Any]) -> str:
    """What the hardware says of a frame, what comes next, and what the frame is."""
    names, scores = result["classes"], result["scores"]
    chosen, rival = result["class"], result["rival"]
    on = sum(concept["on"] for concept in result["concepts"])
    score = f"score {scores[chosen]}" + ("" if result["margin"] else ", of equal ones the first")
    return (
        f"frame {result['frame']}: the hardware says {names[chosen]} ({score}), "
        f"then {names[rival]} ({scores[rival]}); it is {names[result['label']]}; "
        f"{on} of {len(result['concepts'])} concepts are on"
    )


def feature_line(result: Mapping[str, Any], most: int = 12) -> str | None:
    """Return a frame's features by name, in the user's units: the first of them, if it has many."""
    features = result["features"]
    if not features:
        return None
    told = [f"{each['name']} {each['value']:.6g}" for each in features[:most]]
    left = len(features) - len(told)
    return "features: " + ", ".join(told) + (f", and {left} more" if left else "")


def explain_rows(result: Mapping[str, Any]) -> Rows:
    """What each concept added to the class's score, against its rival's; the largest first.

    Those that are off and added nothing are left out.
    """
    names = result["classes"]
    chosen, rival = names[result["class"]], names[result["rival"]]
    named = [each for each in result["concepts"] if each["on"] or each["contribution"]]
    rows: Rows = [("concept", "is", f"toward {chosen}, away from {rival}")]
    for concept in sorted(named, key=lambda concept: -abs(concept["contribution"])):
        state = "on" if concept["on"] else "off"
        rows.append((concept["name"], state, f"{concept['contribution']:+}"))
    rows.append(("sum", "", f"{result['margin']:+}"))
    return rows


def prove_rows(certificates: Mapping[str, Mapping[str, Any]]) -> Rows:
    """What each proof is about, how many statements it proves, and how long it took."""
    rows: Rows = [("proof", "proved", "seconds", "what")]
    for name, facts in certificates.items():
        proved = f"{facts['proved']} of {facts['items']}"
        rows.append((name, proved, f"{facts['seconds']:.1f}", facts["what"]))
    return rows


def doctor_rows(tools: Sequence["ToolStatus"]) -> Rows:
    """Each tool, its version and origin, or what to do to get it."""
    rows: Rows = [("tool", "version", "from", "needed for")]
    for tool in tools:
        origin = tool.origin if tool.here else tool.remedy
        absent = "absent (optional)" if tool.optional else "MISSING"
        version = (tool.version or "unknown") if tool.here else absent
        rows.append((tool.name, version, origin or "", tool.needed_for))
    return rows


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align ``rows``, all of one length, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return ``number`` with its noun: "1 cycle", "5 cycles"."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def _frames(result: Mapping[str, Any]) -> str:
    mismatches = counted(result["mismatches"], "mismatch", "mismatches")
    return f"{counted(result['frames'], 'frame')}, {mismatches}"

"""``htaflow prove``: what simulation can only sample, proved for all inputs.

Of a run's Verilog, that every neuron and vote is its integer definition, for every input; of each
board's, the same, that the netlist that synthesis made of it does the same in every cycle, and that
the logic in its bitstream does what the netlist does; of htaflow's stream components, the rules of
their streams. ``RUN/proofs/`` gets a certificate of each: what was proved, with which tools, in how
many seconds, and what was assumed.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from htaflow.flows.boards.board import load_board
from htaflow.flows.build.folders import same_bitstream
from htaflow.flows.proof.bdd import deep_recursion
from htaflow.flows.proof.equivalence import compare, differences, numbers
from htaflow.flows.proof.gate_reader import read_gates
from htaflow.flows.proof.layers import LayerProof, prove_layers
from htaflow.flows.proof.streams.stream_proof import StreamProof
from htaflow.flows.proof.streams.streams import prove_streams
from htaflow.flows.recovery.bitstream import prove_bitstream, reading_versions
from htaflow.flows.tools.tools import find_tool
from htaflow.hw.logic.target import TARGETS
from htaflow.hw.stream.layout import layouts
from htaflow.model.integer.network import Network
from htaflow.model.run_directory import Run, read_result, source_digest, unchanged
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, HtaflowError, MismatchError
from htaflow.model.support.files import digest, locked_folder, write_json
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import Built, Certificate, Object, StageFacts, misfit

Facts = dict[str, Any]

MOST_PROBLEMS = 12
"""Problems that an error message shows; the certificate has more."""


@checked
def prove(run: str | Path, *, progress: Progress = silent) -> dict[str, Certificate]:
    """Prove what can be proved of ``run``, and write a certificate of each proof.

    Args:
        run: the run directory, with ``rtl/``; boards that were built are proved, too.
        progress: is told what is being done.

    Returns:
        The certificates by name: ``neurons``, ``streams``, and for each board ``NAME-neurons``,
        ``NAME-netlist`` and ``NAME-bitstream``. What was proved from the same inputs is not proved
        again.

    Raises:
        BadInputError: the run lacks something, or it belongs to another network.
        MissingToolError: Yosys is not here, or what reads a bitstream back.
        ToolError: Yosys failed.
        MismatchError: something is not so, or could not be decided: with the counterexamples. All
            certificates have been written.
    """
    run = Path(run)
    here = Run(run)
    network = here.load_network()
    found: dict[str, Certificate] = {}
    with (
        locked_folder(here.proofs, lambda: progress("prove: waiting for another 'htaflow prove'")),
        deep_recursion(),
    ):
        try:
            for name, inputs, prover in _proofs(here, network, progress):
                found[name] = _prove_one(here, network, name, inputs, prover, progress)
        except HtaflowError as error:
            wrong = _not_closed(found)
            if not wrong:
                raise
            # What is not so matters more than what could not be tried.
            raise MismatchError(f"{_explain(here, wrong)}\n  and no further: {error}") from None
    if wrong := _not_closed(found):
        raise MismatchError(_explain(here, wrong))
    return found


def _prove_one(
    run: Run,
    network: Network,
    name: str,
    inputs: str,
    prover: Callable[[], Facts],
    progress: Progress,
) -> Certificate:
    """Return one certificate, which is written unless it is there."""
    path = run.proof(name)
    stored = unchanged(path, inputs, Certificate)
    if stored is not None:
        progress(f"prove: {name} unchanged")
        return stored
    begun = time.monotonic()
    facts = prover()
    facts["seconds"] = round(time.monotonic() - begun, 3)
    facts["versions"] = {"htaflow": version("htaflow"), "yosys": find_tool("yosys").version}
    facts |= {"network": network.digest, "inputs": inputs}
    write_json(path, facts)
    verdict = "proved" if facts["closed"] else "NOT proved"
    progress(f"prove: {name}: {verdict}, {facts['proved']} of {facts['items']}")
    return cast(Certificate, facts)


def _not_closed(found: Mapping[str, Certificate]) -> dict[str, Certificate]:
    return {name: facts for name, facts in found.items() if not facts["closed"]}


Proof = tuple[str, str, Callable[[], Facts]]
"""A proof's name, the digest of what it is about, and what makes it."""


def _proofs(run: Run, network: Network, progress: Progress) -> Iterator[Proof]:
    """Yield the proofs of a run."""
    sources = source_digest("htaflow.flows", "htaflow.hw", "htaflow.model.integer")
    code = sources + find_tool("yosys").version
    again = f"run 'htaflow convert {run.path}'"
    text, interface = _verilog(run.verilog, run.interface, network, again)
    of = run.digests(run.verilog)
    yield _neurons("neurons", text, interface, network, of, code, progress)
    for name in run.boards:
        folder = run.board(name)
        again = f"run 'htaflow build {run.path} --board {name}'"
        text, interface = _verilog(folder / "board.v", folder / "top.json", network, again)
        netlist = folder / "netlist.v"
        if not netlist.is_file():
            raise BadInputError(
                f"{netlist}: there is no such file; delete {folder / 'report.json'} and {again}"
            )
        of = run.digests(folder / "board.v")
        yield _neurons(f"{name}-neurons", text, interface, network, of, code, progress)
        of = run.digests(folder / "board.v", netlist)
        yield _netlist(name, text, netlist.read_text(), interface, of, code, progress)

    def streams() -> Facts:
        return _of_streams(list(prove_streams(progress)))

    yield "streams", digest(code, source_digest("htaflow.hw")), streams
    for name in run.boards:  # last: they want more tools
        report = read_result(run.board_report(name), Built)
        if report is not None and report["met"]:
            yield _bitstream(run, name, code, progress)
        else:
            progress(f"prove: {name} has no bitstream: the network is too slow for its clock")


def _verilog(path: Path, described: Path, network: Network, again: str) -> tuple[str, Facts]:
    """Return a design's Verilog and its interface. Raises ``BadInputError``, also if outdated."""
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file; {again}")
    interface = read_result(described, Object)
    if interface is None:
        raise BadInputError(f"{described}: there is no such file; {again}")
    if interface.get("digest") != network.digest:
        raise BadInputError(f"{path}: it was made from another network; {again}")
    try:
        inputs, outputs = layouts(network, interface["bus_bits"])
        told = interface["beats"], interface["features_per_beat"], interface["output_bits"]
        names = [stage["name"] for stage in interface["stages"]]
        complete = all(misfit(stage, StageFacts) is None for stage in interface["stages"])
        fits = (inputs.beats, inputs.per_beat, outputs.width) == told and "target" in interface
        fits = fits and isinstance(interface["outputs"], list) and interface["target"] in TARGETS
    except (KeyError, TypeError, AttributeError):
        fits, names, complete = False, [], False
    if not fits or not complete or names != [layer.name for layer in network.layers]:
        raise BadInputError(f"{described}: it does not describe this network; {again}")
    return path.read_text(encoding="utf-8", errors="replace"), interface


def _neurons(
    name: str,
    text: str,
    interface: Facts,
    network: Network,
    of: Facts,
    code: str,
    progress: Progress,
) -> Proof:
    """Return the proof that a design's neurons are what is defined."""
    family = str(interface["target"])
    inputs = digest(code, text, json.dumps(interface, sort_keys=True), network.digest)

    def make() -> Facts:
        progress(f"prove: {name}: reading the Verilog")
        top = "top" if name == "neurons" else "board"
        gates = read_gates(text, top, family)
        proofs = list(prove_layers(gates, network, interface, progress))
        return {
            "what": "every neuron and vote of the Verilog is what is defined, for all inputs",
            "closed": all(proof.closed for proof in proofs),
            "items": sum(proof.items for proof in proofs),
            "proved": sum(proof.proved for proof in proofs),
            "problems": [line for proof in proofs for line in _of_layer(proof)],
            "of": of,
            "layers": [{**proof.describe(), "closed": proof.closed} for proof in proofs],
        }

    return name, inputs, make


def _netlist(
    board: str, text: str, netlist: str, interface: Facts, of: Facts, code: str, progress: Progress
) -> Proof:
    """Return the proof that a board's netlist does what its Verilog does."""
    family = interface["target"]

    def make() -> Facts:
        progress(f"prove: {board}-netlist: reading the Verilog and the netlist")
        verilog = read_gates(text, "board", family)
        result = compare(
            verilog, read_gates(netlist, "board", family), progress, numbers(verilog, interface)
        )
        items = result.flops + result.outputs
        return {
            "what": "the netlist does what the Verilog does, in every cycle, for all inputs",
            "closed": result.closed and result.outputs > 0,
            "items": items,
            "proved": max(0, items - result.differences - len(result.open)),
            "problems": list(differences(result)),
            "of": of,
            "flip_flops": result.flops,
            "outputs": result.outputs,
            "left_out": result.left_out,
            "different": result.different,
        }

    described = json.dumps(interface, sort_keys=True)
    return f"{board}-netlist", digest(code, text, netlist, described), make


def _bitstream(run: Run, name: str, code: str, progress: Progress) -> Proof:
    """Return the proof that a board's bitstream does what its netlist does."""
    folder = run.board(name)
    report = read_result(run.board_report(name), Built)
    if report is None or report["bitstream"] is None or not same_bitstream(folder, report):
        raise BadInputError(
            f"{folder}: it has no complete bitstream; run 'htaflow build {run.path} --board {name}'"
        )
    board = load_board(name)
    bitstream, netlist = folder / report["bitstream"], folder / "netlist.v"

    def make() -> Facts:
        progress(f"prove: {name}-bitstream: recovering the logic from the bitstream")
        with tempfile.TemporaryDirectory(dir=run.proofs, prefix=".bitstream.") as scratch:
            result = prove_bitstream(bitstream, netlist, board, Path(scratch))
        items = len(result.unproved) + result.proved
        near = f", near {', '.join(result.unmatched)}" if result.unmatched else ""
        return {
            "what": "the bitstream's outputs are the netlist's, in every cycle, for all inputs",
            "closed": not result.unproved and result.proved > 0,
            "items": items,
            "proved": result.proved,
            "problems": [f"output {output} is not proved{near}" for output in result.unproved],
            "classes": result.classes,
            "rounds": result.rounds,
            "of": run.digests(netlist, bitstream),
            "tools": reading_versions(board),
        }

    tools = repr(sorted(reading_versions(board).items()))
    inputs = digest(code, repr(board), str(report["sha256"]), netlist.read_bytes(), tools)
    return f"{name}-bitstream", inputs, make


def _of_streams(proofs: list[StreamProof]) -> Facts:
    """Return the certificate of the stream rules."""
    return {
        "what": "the stream rules hold in every component, made small",
        "closed": all(proof.closed for proof in proofs),
        "items": sum(len(proof.rules) + len(proof.broken) for proof in proofs),
        "proved": sum(len(proof.rules) for proof in proofs),
        "problems": [
            line
            for proof in proofs
            for line in [
                *(f"{proof.name}: rule '{rule}': {what}" for rule, what in proof.broken.items()),
                *([f"not proved: {proof.name}: {proof.open}"] if proof.open else []),
            ]
        ],
        "of": {},  # it is about htaflow itself
        "components": [{**proof.describe(), "closed": proof.closed} for proof in proofs],
    }


def _of_layer(proof: LayerProof) -> list[str]:
    """Return what is wrong with a layer, a line each."""
    lines = []
    for failure in proof.failures:
        where = f"layer {proof.name} ({proof.type}), neuron {failure['neuron']}"
        if "transfer" in failure:
            where += f", transfer {failure['transfer']}"
        if "defined" not in failure:
            lines.append(f"{where}: it is not where it should be in '{failure['output']}'")
            continue
        ones = failure["inputs_that_are_1"]
        shown = ", ".join(map(str, ones[:16])) + (", ..." if len(ones) > 16 else "")
        given = f"with inputs {shown} 1 and the others 0" if ones else "with all inputs 0"
        lines.append(
            f"{where}: {given}, {failure['defined']} is defined and the Verilog gives "
            f"{failure['verilog']}"
        )
    more = proof.items - proof.proved - len(proof.failures)
    if proof.failures and more > 0:
        lines.append(f"layer {proof.name} ({proof.type}): {more} more like these")
    return lines + ([proof.open] if proof.open else [])


def _explain(run: Run, wrong: Mapping[str, Certificate]) -> str:
    """Return what is not proved, in words, and where to read on."""
    lines = [f"{run.path}: not all of it is proved"]
    for name, facts in wrong.items():
        lines += [f"{name}: {problem}" for problem in facts["problems"][:MOST_PROBLEMS]]
        lines.append(f"all of it: {run.proof(name)}")
    return "\n  ".join(lines)

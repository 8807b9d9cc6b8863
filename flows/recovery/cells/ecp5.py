"""Cells of the ECP5."""

from htaflow.flows.recovery.cells.cell import Cell
from htaflow.flows.recovery.lookup_table import LookupTable, multiplexer
from htaflow.flows.recovery.netlist import (
    PLL_IDLE,
    Control,
    FlipFlop,
    Memory,
    Netlist,
    RecoveredPll,
)
from htaflow.model.support.errors import BadInputError


def add_cell(netlist: Netlist, cell: Cell) -> bool:
    """Add ``cell`` to ``netlist`` and return True, or False if it is none of the ECP5."""
    pins = cell.pins
    match cell.kind:
        case "LUT4" if "Z" in pins:  # Gowin's families have a LUT4, too
            inputs = tuple(pins.get(pin, "1") for pin in "ABCD")
            netlist.tables[pins["Z"]] = LookupTable(inputs, int(cell.parameters["INIT"], 2))
        case "PFUMX":
            netlist.tables[pins["Z"]] = multiplexer(pins["BLUT"], pins["ALUT"], pins["C0"])
        case "L6MUX21":
            netlist.tables[pins["Z"]] = multiplexer(pins["D0"], pins["D1"], pins["SD"])
        case "CCU2C":
            _add_carry(netlist, cell)
        case "TRELLIS_FF":
            netlist.flip_flops[pins["Q"]] = _flip_flop(cell)
        case "TRELLIS_DPR16X4":
            _add_memory(netlist, cell)
        case "EHXPLLL":
            _add_pll(netlist, cell)
        case _:
            return False
    return True


def _add_carry(netlist: Netlist, cell: Cell) -> None:
    """Add both halves of a carry cell: their sums and the carries out of them."""
    parameters, pins = cell.parameters, cell.pins
    carry, stem = pins.get("CIN", "0"), f"CARRY{len(netlist.tables)}"
    for half in (0, 1):
        table = int(parameters[f"INIT{half}"], 2)
        free = parameters.get(f"INJECT1_{half}", "YES") != "YES"
        total = out = 0
        for at in range(32):
            low, carry_in = at & 15, at >> 4
            value, made = table >> low & 1, table >> (low & 3) & 1
            total |= (value ^ (carry_in & free)) << at
            out |= (carry_in if value else made & free) << at
        inputs = (*(pins.get(f"{pin}{half}", "1") for pin in "ABCD"), carry)
        following = f"{stem}_0" if half == 0 else pins.get("COUT", f"{stem}_1")
        if f"S{half}" in pins:
            netlist.tables[pins[f"S{half}"]] = LookupTable(inputs, total)
        netlist.tables[following] = LookupTable(inputs, out)
        carry = following


def _flip_flop(cell: Cell) -> FlipFlop:
    parameters, pins = cell.parameters, cell.pins
    enable, reset = parameters.get("CEMUX", "CE"), parameters.get("LSRMUX", "LSR")
    if parameters.get("LSRMODE", "LSR") != "LSR":
        raise BadInputError(
            f"flip-flop {cell.name} of the netlist is preset: that is not understood"
        )
    return FlipFlop(
        data=pins["DI"],
        control=Control(
            clock=pins["CLK"],
            falling=parameters.get("CLKMUX", "CLK") == "INV",
            enable=enable if enable in ("0", "1") else pins.get("CE", "1"),
            enable_low=enable == "INV",
            reset=pins.get("LSR", "0"),
            reset_low=reset == "INV" and "LSR" in pins,
            at_once=parameters.get("SRMODE", "LSR_OVER_CE") == "ASYNC",
        ),
        value=int(parameters.get("REGSET", "RESET") == "SET"),
    )


def _add_memory(netlist: Netlist, cell: Cell) -> None:
    """Add the four columns of a memory, their addresses in the order of a look-up table."""
    parameters, pins = cell.parameters, cell.pins
    order = (3, 1, 2, 0)
    contents = int(parameters["INITVAL"].replace("x", "0"), 2)
    for column in range(4):
        value = 0
        for at in range(16):
            word = sum((at >> k & 1) << bit for k, bit in enumerate(order))
            value |= (contents >> (4 * word + column) & 1) << at
        if f"DO{column}" in pins:
            netlist.memories[pins[f"DO{column}"]] = Memory(
                read=tuple(pins[f"RAD{bit}"] for bit in order),
                write=tuple(pins[f"WAD{bit}"] for bit in order),
                data=pins[f"DI{column}"],
                control=Control(
                    clock=pins["WCK"],
                    falling=parameters.get("WCKMUX") == "INV",
                    enable=pins["WRE"],
                    enable_low=parameters.get("WREMUX") == "INV",
                ),
                value=value,
            )


def _add_pll(netlist: Netlist, cell: Cell) -> None:
    parameters, pins = cell.parameters, cell.pins
    pll = RecoveredPll(
        clock=pins["CLKI"],
        output=pins["CLKOP"],
        lock=pins["LOCK"],
        reference=int(parameters["CLKI_DIV"], 2),
        feedback=int(parameters["CLKFB_DIV"], 2),
        divisor=int(parameters["CLKOP_DIV"], 2),
        phase=int(parameters["CLKOP_CPHASE"], 2),
        fed_back=pins["CLKFB"],
        idle=tuple(pins.get(name, "0") for name in PLL_IDLE),
    )
    netlist.plls |= {pll.output: pll, pll.lock: pll}

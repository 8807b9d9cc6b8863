import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htaflow.flows.recovery.lookup_table import LookupTable
from htaflow.flows.recovery.netlist import Control, FlipFlop, Memory, Netlist
from htaflow.flows.recovery.register_matching import correspond

CLOCK = Control("clk", falling=False)
AND, OR, XOR = 0b1000, 0b1110, 0b0110


def counter(prefix: str, *, value: int = 0, control: Control = CLOCK) -> Netlist:
    """Return a counter of two bits that counts when ``en`` is 1."""
    low, high, one, two = (prefix + name for name in ("low", "high", "one", "two"))
    return Netlist(
        inputs=["clk", "en"],
        outputs={"out": high},
        tables={
            one: LookupTable((low, "en"), XOR),
            two: LookupTable((high, low, "en"), 0b01101010),
        },
        flip_flops={
            low: FlipFlop(one, control, value),
            high: FlipFlop(two, control, 0),
        },
    )


def test_names_and_the_order_of_inputs_do_not_matter():
    other = counter("b")
    other.tables["btwo"] = LookupTable(("en", "blow", "bhigh"), 0b01111000)
    assert correspond(counter("a"), other).unproved == ()


@pytest.mark.parametrize(
    "other",
    [
        counter("b", value=1),
        counter("b", control=CLOCK._replace(falling=True)),
        counter("b", control=CLOCK._replace(enable="en")),
        counter("b", control=CLOCK._replace(reset="en")),
        replace(counter("b"), outputs={"out": "blow"}),
        replace(counter("b"), outputs={}),
        replace(counter("b"), outputs={"out": "bhigh", "more": "0"}),
    ],
)
def test_what_differs_is_not_proved(other):
    assert correspond(counter("a"), other).unproved


def test_the_cell_that_differs_is_named():
    other = counter("b")
    other.tables["bone"] = LookupTable(("blow", "en"), OR)
    assert correspond(counter("a"), other).unmatched == ("bone",)


def test_a_flip_flop_may_have_doubles():
    other = counter("b")
    other.flip_flops["twin"] = other.flip_flops["blow"]
    other.tables["bone"] = LookupTable(("twin", "en"), XOR)
    assert correspond(counter("a"), other).unproved == ()
    # Doubles that start apart are none.
    other.flip_flops["twin"] = replace(other.flip_flops["twin"], value=1)
    assert correspond(counter("a"), other).unproved == ("out",)


def test_memories_correspond_by_what_they_hold_and_take():
    def netlist(**different: object) -> Netlist:
        memory = Memory(("a", "b", "0", "1"), ("b", "a", "0", "0"), "a", CLOCK, 0xBEEF)
        return Netlist(
            ["clk", "a", "b"], {"out": "m"}, memories={"m": replace(memory, **different)}
        )

    assert correspond(netlist(), netlist()).unproved == ()
    for different in (
        {"value": 0xBEEE},
        {"read": ("b", "a", "0", "1")},
        {"write": ("a", "b", "0", "0")},
        {"data": "b"},
        {"control": CLOCK._replace(enable="a")},
    ):
        assert correspond(netlist(), netlist(**different)).unproved == ("out",)


def random_netlist(chance: random.Random) -> Netlist:
    """Return tables and flip-flops of one clock, with outputs for all flip-flops."""
    inputs, states = ["clk", "i0", "i1"], [f"q{k}" for k in range(chance.randint(1, 5))]
    nets, tables = [*inputs[1:], *states], {}
    for k in range(chance.randint(1, 8)):
        read = tuple(chance.choices(nets, k=chance.randint(1, 3)))
        tables[f"t{k}"] = LookupTable(read, chance.getrandbits(1 << len(read)))
        nets.append(f"t{k}")
    flip_flops = {
        net: FlipFlop(
            chance.choice(nets),
            CLOCK._replace(
                enable=chance.choice(["1", *nets]),
                enable_low=chance.random() < 0.2,
                reset=chance.choice(["0", *nets]),
            ),
            chance.getrandbits(1),
        )
        for net in states
    }
    outputs = {f"o{k}": net for k, net in enumerate(states)}
    return Netlist(inputs, outputs, tables, flip_flops)


def simulate(netlist: Netlist, given: list[tuple[int, int]]) -> list[list[int]]:
    """Return the outputs in each cycle."""
    state = {net: cell.value for net, cell in netlist.flip_flops.items()}
    seen = []
    for first, second in given:
        values = {"0": 0, "1": 1, "i0": first, "i1": second, **state}
        waiting = dict(netlist.tables)
        while waiting:
            for net, table in list(waiting.items()):
                if all(read in values for read in table.inputs):
                    at = sum(values[read] << k for k, read in enumerate(table.inputs))
                    values[net] = table.function >> at & 1
                    del waiting[net]
        seen.append([values[net] for net in netlist.outputs.values()])
        for net, cell in netlist.flip_flops.items():
            if values[cell.control.reset]:
                state[net] = cell.value
            elif values[cell.control.enable] != cell.control.enable_low:
                state[net] = values[cell.data]
    return seen


@given(st.integers(0, 1 << 32), st.booleans())
def test_what_is_proved_simulates_the_same(seed, change):
    chance = random.Random(seed)
    first = random_netlist(chance)
    second = random_netlist(random.Random(seed))
    if change:
        net = chance.choice(list(second.tables))
        table = second.tables[net]
        flipped = table.function ^ 1 << chance.randrange(1 << len(table.inputs))
        second.tables[net] = replace(table, function=flipped)
    found = correspond(first.simplified(), second.simplified())
    inputs = [(chance.getrandbits(1), chance.getrandbits(1)) for _ in range(60)]
    same = simulate(first, inputs) == simulate(second, inputs)
    assert same == simulated_same(first, second, inputs)
    if not change:
        assert found.unproved == ()
    if found.unproved == ():
        assert same


def simulated_same(first: Netlist, second: Netlist, inputs: list[tuple[int, int]]) -> bool:
    """Return whether the two are the same after they have been simplified."""
    return simulate(first.simplified(), inputs) == simulate(second.simplified(), inputs)

"""Boolean functions as binary decision diagrams, in which equal functions are the same number.

A function is an edge: twice the number of a node, plus 1 if it is the node's complement. 0 is
false, 1 is true, ``f ^ 1`` the complement of ``f``. A popcount's diagram is quadratic in its inputs
however the circuit counts: so counters and thresholds are proved with these, and not by SAT.

Source: K. Brace, R. Rudell, R. Bryant, "Efficient Implementation of a BDD Package", DAC 1990.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

Edge = int

FALSE: Edge = 0
TRUE: Edge = 1

MOST_NODES = 4_000_000
"""Nodes of one manager above which it gives up: about 1.5 GB."""


class TooManyNodesError(Exception):
    """A function's diagram is larger than what a manager may hold."""


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Let functions call themselves as deep as a decision diagram has variables."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 200_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class Bdd:
    """A manager of functions over variables 0, 1, 2, ..., of which lower ones are nearer the root.

    Parameters:
        most: nodes above which an operation raises ``TooManyNodesError``.
    """

    def __init__(self, most: int = MOST_NODES) -> None:
        self.true = TRUE
        self._most = most
        self._nodes: list[tuple[int, Edge, Edge]] = [(1 << 60, 0, 0)]  # the constant is last
        self._found: dict[tuple[int, Edge, Edge], Edge] = {}
        self._ands: dict[tuple[Edge, Edge], Edge] = {}
        self._xors: dict[tuple[Edge, Edge], Edge] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def forget(self) -> None:
        """Drop what was computed along the way; functions stay as they are."""
        self._ands.clear()
        self._xors.clear()

    def var(self, index: int) -> Edge:
        """Return variable ``index``."""
        return self.node(index, FALSE, TRUE)

    def node(self, var: int, low: Edge, high: Edge) -> Edge:
        """Return ``high if var else low``, which must depend on later variables alone."""
        if low == high:
            return low
        flip = low & 1  # the low edge of a node is never a complement
        key = (var, low ^ flip, high ^ flip)
        edge = self._found.get(key)
        if edge is None:
            if len(self._nodes) > self._most:
                raise TooManyNodesError(f"more than {self._most} nodes")
            if len(self._ands) + len(self._xors) > self._most:
                self.forget()
            edge = self._found[key] = len(self._nodes) << 1
            self._nodes.append(key)
        return edge ^ flip

    def conj(self, f: Edge, g: Edge) -> Edge:
        """Return ``f and g``."""
        if f > g:
            f, g = g, f
        if f <= TRUE:
            return g if f else FALSE
        if f ^ g <= 1:
            return f if f == g else FALSE
        key = (f, g)
        result = self._ands.get(key)
        if result is not None:
            return result
        var, f_low, f_high = self._nodes[f >> 1]
        other, g_low, g_high = self._nodes[g >> 1]
        if f & 1:
            f_low, f_high = f_low ^ 1, f_high ^ 1
        if g & 1:
            g_low, g_high = g_low ^ 1, g_high ^ 1
        if var < other:
            g_low = g_high = g
        elif other < var:
            var, f_low, f_high = other, f, f
        result = self.node(var, self.conj(f_low, g_low), self.conj(f_high, g_high))
        self._ands[key] = result
        return result

    def xor(self, f: Edge, g: Edge) -> Edge:
        """Return ``f != g``."""
        flip = (f ^ g) & 1
        f, g = (f & ~1, g & ~1) if f < g else (g & ~1, f & ~1)
        if f == FALSE:
            return g ^ flip
        if f == g:
            return flip
        key = (f, g)
        result = self._xors.get(key)
        if result is None:
            var, f_low, f_high = self._nodes[f >> 1]
            other, g_low, g_high = self._nodes[g >> 1]
            if var < other:
                g_low = g_high = g
            elif other < var:
                var, f_low, f_high = other, f, f
            result = self.node(var, self.xor(f_low, g_low), self.xor(f_high, g_high))
            self._xors[key] = result
        return result ^ flip

    def invert(self, f: Edge) -> Edge:
        """Return ``not f``."""
        return f ^ 1

    def disj(self, f: Edge, g: Edge) -> Edge:
        """Return ``f or g``."""
        return self.conj(f ^ 1, g ^ 1) ^ 1

    def mux(self, select: Edge, low: Edge, high: Edge) -> Edge:
        """Return ``high if select else low``."""
        if select <= TRUE:
            return high if select else low
        if low == high:
            return low
        return self.disj(self.conj(select ^ 1, low), self.conj(select, high))

    def conj_all(self, functions: Iterable[Edge]) -> Edge:
        """Return whether all ``functions`` are true."""
        result = TRUE
        for f in functions:
            result = self.conj(result, f)
        return result

    def disj_all(self, functions: Iterable[Edge]) -> Edge:
        """Return whether some of ``functions`` is true."""
        return self.conj_all(f ^ 1 for f in functions) ^ 1

    def forall(self, var: int, f: Edge) -> Edge:
        """Return whether ``f`` is true for both values of ``var``."""
        done: dict[Edge, Edge] = {}

        def walk(f: Edge) -> Edge:
            at, low, high = self._nodes[f >> 1]
            if at > var:
                return f
            if f not in done:
                low, high = low ^ f & 1, high ^ f & 1
                done[f] = (
                    self.conj(low, high) if at == var else self.node(at, walk(low), walk(high))
                )
            return done[f]

        return walk(f)

    def copy(self, other: "Bdd", f: Edge, done: dict[Edge, Edge]) -> Edge:
        """Return function ``f`` of manager ``other``; ``done`` remembers what was copied."""
        if f <= TRUE:
            return f
        regular = f & ~1
        found = done.get(regular)
        if found is None:
            var, low, high = other._nodes[f >> 1]
            found = self.node(var, self.copy(other, low, done), self.copy(other, high, done))
            done[regular] = found
        return found ^ (f & 1)

    def table(self, table: int, inputs: Sequence[Edge]) -> Edge:
        """Return bit ``sum(inputs[k] << k)`` of ``table``."""
        if not inputs:
            return table & 1
        half = 1 << (len(inputs) - 1)
        low = self.table(table & ((1 << half) - 1), inputs[:-1])
        return self.mux(inputs[-1], low, self.table(table >> half, inputs[:-1]))

    def support(self, f: Edge) -> set[int]:
        """Return the variables on which ``f`` depends."""
        found: set[int] = set()
        seen = {0}
        stack = [f >> 1]
        while stack:
            index = stack.pop()
            if index not in seen:
                seen.add(index)
                var, low, high = self._nodes[index]
                found.add(var)
                stack += (low >> 1, high >> 1)
        return found

    def example(self, f: Edge) -> dict[int, bool]:
        """Return values of variables that make ``f``, which is not false, true; others matter not.

        Raises ``ValueError`` for false.
        """
        if f == FALSE:
            raise ValueError("nothing makes false true")
        chosen: dict[int, bool] = {}
        while f > TRUE:
            var, low, high = self._nodes[f >> 1]
            flip = f & 1
            chosen[var] = low ^ flip == FALSE
            f = (high if chosen[var] else low) ^ flip
        return chosen

    def value(self, f: Edge, values: Callable[[int], bool]) -> bool:
        """Return ``f`` where variables have ``values``."""
        while f > TRUE:
            var, low, high = self._nodes[f >> 1]
            f = (high if values(var) else low) ^ (f & 1)
        return bool(f)

    def of_sum(
        self, terms: Iterable[tuple[Edge, int]], constant: int, result: Callable[[int], Edge]
    ) -> Edge:
        """Return ``result(constant + sum of the weights of those literals that are 1)``.

        ``terms`` are (literal, weight); a literal is a variable, its complement or a constant. The
        diagram has a node for each variable and sum so far.
        """
        weights: dict[int, int] = {}
        for literal, weight in terms:
            if literal & 1:  # 1 - x
                constant += weight
                weight = -weight
            if literal > TRUE:
                var, low, high = self._nodes[literal >> 1]
                if (low, high) != (FALSE, TRUE):
                    raise ValueError("sums are of variables, not of functions")
                weights[var] = weights.get(var, 0) + weight
        ordered = sorted((pair for pair in weights.items() if pair[1]), reverse=True)
        # From the last variable back: the function of every sum that those before can make.
        sums = [{constant}]
        count = 1
        for _, weight in reversed(ordered):
            sums.append(sums[-1] | {s + weight for s in sums[-1]})
            count += len(sums[-1])
            if count > self._most:  # as much memory as that many nodes
                raise TooManyNodesError(
                    f"a sum with more than {self._most} values on the way to it"
                )
        level = {s: result(s) for s in sums.pop()}
        for var, weight in ordered:
            level = {s: self.node(var, level[s], level[s + weight]) for s in sums.pop()}
        return level[constant]

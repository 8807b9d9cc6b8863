"""How a tool tells that it ran out of memory: rarely in those words."""

import re
import signal

WASM_GIB = 4
"""A program in WebAssembly addresses its memory with 32 bits."""

_SAID = re.compile(
    r"std::bad_alloc|MemoryError|out of memory|[Cc]annot allocate memory|virtual memory exhausted|"
    r"memory allocation of \d+ bytes failed|failed to (?:reserve|allocate|mmap)\b.*memory",
)
_TRAPPED = re.compile(r"thrown Wasm exception|wasm exception|out of bounds memory access")
"""How a program in WebAssembly ends that gets no more memory: its exception is not caught."""

_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)  # the tool itself, or the shell around it


def explain_memory(name: str, variable: str, code: int, log: str, *, is_wasm: bool) -> str | None:
    """Return that a tool ran out of memory, and what to do; ``None`` if nothing points to that.

    Args:
        name: the tool's.
        variable: the environment variable that names another.
        code: how it ended, negative for a signal; not one that htaflow sent.
        log: the end of what it printed.
        is_wasm: whether it is a program in WebAssembly.
    """
    if _SAID.search(log):
        what = "it ran out of memory"
    elif is_wasm and _TRAPPED.search(log):
        what = "it most probably ran out of memory: an exception ended it that nothing caught"
    elif code in _KILLED:
        what = "it was killed, most probably since the system ran out of memory"
    else:
        return None
    if is_wasm and code not in _KILLED:
        return (
            f"{what}. As WebAssembly it has {WASM_GIB} GiB at most: train a smaller network, or "
            f"name a native {name} in {variable}"
        )
    return f"{what}. Train a smaller network, or give the machine more memory"

"""Mutations that know a file's structure, so that what they make gets past its parser.

Each takes a valid file, or one mutated already, and a ``random.Random``, and returns another. What
it cannot take apart it hands to ``raw``, which knows nothing but bytes.
"""

import csv
import io
import json
import math
import random
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

Raw = Callable[[bytes], bytes]
"""Mutates bytes that have no structure."""

MAX_BYTES = 1 << 16
"""A mutated file is at most about so long."""

TEXTS = (
    "",
    " ",
    "../../x",
    "/etc/x",
    "$(touch x)",
    "`touch x`",
    "a;b",
    "a'b",
    'a"b',
    "a\nb",
    "a\x00b",
    "\\escaped ",
    "//x\nendmodule",
    "module",
    "endmodule",
    "wire",
    "initial",
    "clk",
    "top",
    "core",
    "layers",
    "encode",
    "\u00e9\u4e16",
    "\ud800",
    "-x",
    "--help",
    "<script>",
    "{{ 7 * 7 }}",
    "%s%n",
    "a" * 41,
    "b" * 3000,
)
NUMBERS: tuple[Any, ...] = (
    *(0, 1, 2, 3, 6, 7, 8, 15, 16, 17, 64, 255, 256, 1023, 1024, 4096, 65535, 65536),
    *(-1, -2, -128, -129, 1 << 20, 1 << 31, 1 << 32, 1 << 33, 1 << 53, 1 << 60, 1 << 62, 1 << 63),
    *(-(1 << 31), -(1 << 63), (1 << 31) - 1, (1 << 63) - 1, (1 << 64) - 1, 1 << 64),
    *(10**30, -(10**30), 10**400, 0.5, -0.5, 1e9, 1e308, math.inf, -math.inf, math.nan),
)
DEEP = "@nested {}@"
"""Stands for so many lists in one another: what writes JSON could not write them."""
_DEPTHS = (2, 20, 100, 300, 900, 990, 3000)

DTYPES = {
    "BOOL": 1,
    "I8": 1,
    "U8": 1,
    "I16": 2,
    "U16": 2,
    "I32": 4,
    "U32": 4,
    "I64": 8,
    "U64": 8,
    "F16": 2,
    "BF16": 2,
    "F32": 4,
    "F64": 8,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "C64": 8,
    "F4": 1,
}


def flip(data: bytes, rng: random.Random) -> bytes:
    """Change, drop, double or add a few bytes."""
    changed = bytearray(data or b"\0")
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(4)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del changed[at : at + rng.choice((1, 2, 8, 64))]
        elif kind == 2:
            changed[at:at] = changed[at : at + rng.choice((1, 4, 32))]
        else:
            changed[at:at] = rng.randbytes(rng.choice((1, 2, 8)))
        changed = changed or bytearray(1)
    return bytes(changed)


# --- JSON --------------------------------------------------------------------------------------


def hostile(rng: random.Random) -> Any:
    """Return a value that is seldom expected."""
    kind = rng.randrange(8)
    if kind < 3:
        return rng.choice(NUMBERS)
    if kind < 5:
        return rng.choice(TEXTS)
    if kind == 5:
        return DEEP.format(rng.choice(_DEPTHS))
    plain: tuple[Any, ...] = (None, True, False, [], {}, [0], [[1, 1]], {"a": 1}, [0] * 300)
    return rng.choice(plain)


def mutate_value(value: Any, rng: random.Random) -> Any:
    """Return ``value``, JSON's kind of value, with something in it changed."""
    inner = isinstance(value, dict | list) and len(value) > 0
    if not inner or rng.random() < 0.08:
        if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.5:
            return value + rng.choice((-1, 1, -value, value))
        return hostile(rng)
    kind = rng.random()
    if isinstance(value, dict):
        changed = dict(value)
        key = rng.choice(list(changed))
        if kind < 0.08:
            del changed[key]
        elif kind < 0.14:
            changed[rng.choice((*TEXTS, *changed, "name", "type"))] = hostile(rng)
        elif kind < 0.2:
            changed[key] = rng.choice(list(changed.values()))
        else:
            changed[key] = mutate_value(changed[key], rng)
        return changed
    items = list(value)
    at = rng.randrange(len(items))
    if kind < 0.08:
        del items[at]
    elif kind < 0.16:
        items.insert(at, items[rng.randrange(len(items))])
    elif kind < 0.22:
        other = rng.randrange(len(items))
        items[at], items[other] = items[other], items[at]
    else:
        items[at] = mutate_value(items[at], rng)
    return items


def to_json(value: Any) -> str:
    """Return ``value`` as JSON, with NaN and whatever else may stand in it."""
    text = json.dumps(value)
    for depth in _DEPTHS:
        text = text.replace(f'"{DEEP.format(depth)}"', "[" * depth + "]" * depth)
    return text


def mutate_json(data: bytes, rng: random.Random, raw: Raw) -> bytes:
    """Mutate a JSON document."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return raw(data)
    if rng.random() < 0.1:
        return raw(data)
    return to_json(mutate_value(value, rng)).encode("utf-8", "surrogatepass")


# --- safetensors -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tensor:
    """A tensor as it lies in a file: its bytes need not fit its shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def unpack(data: bytes) -> tuple[dict[str, str], list[Tensor]] | None:
    """Return the metadata and tensors of a safetensors file, or ``None`` if it is none."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        metadata = dict(header.pop("__metadata__", {}))
        body = data[8 + length :]
        tensors = [
            Tensor(name, it["dtype"], tuple(it["shape"]), body[slice(*it["data_offsets"])])
            for name, it in header.items()
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return metadata, tensors


def pack(metadata: dict[str, str], tensors: list[Tensor]) -> bytes:
    """Return a safetensors file whose offsets are right, whatever the shapes say."""
    header: dict[str, Any] = {"__metadata__": metadata}
    body = b""
    for tensor in tensors:
        end = len(body) + len(tensor.data)
        offsets = [len(body), end]
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        body += tensor.data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def _fit(tensor: Tensor) -> Tensor:
    """Return ``tensor`` with as many bytes as its shape asks for, if those are not too many."""
    needed = math.prod(tensor.shape) * DTYPES.get(tensor.dtype, 1)
    if not 0 <= needed <= MAX_BYTES:
        return tensor
    return replace(tensor, data=(tensor.data * (needed // max(1, len(tensor.data)) + 1))[:needed])


def _mutate_tensor(tensor: Tensor, rng: random.Random, raw: Raw) -> Tensor:
    kind, shape = rng.randrange(7), list(tensor.shape)
    if kind == 0:
        return replace(tensor, data=raw(tensor.data)[: len(tensor.data)].ljust(len(tensor.data)))
    if kind == 1:
        return _fit(replace(tensor, dtype=rng.choice(list(DTYPES))))
    if kind == 2 and shape:
        shape[rng.randrange(len(shape))] = abs(int(rng.choice((0, 1, 2, 3, 7, 8, 40, 1 << 60))))
        return _fit(replace(tensor, shape=tuple(shape)))
    if kind == 3:
        shapes = ((), (0,), (1 << 60, 0), (0, 1 << 60), tuple(reversed(shape)), (*shape, 1))
        return _fit(replace(tensor, shape=rng.choice(shapes)))
    if kind == 4:
        suffixes = ("inputs", "weights", "thresholds", "name", "type", "kernel", "x", "source")
        prefix = rng.choice((tensor.name.split(".")[0], "0", "1", "01", "-1", ""))
        return replace(tensor, name=f"{prefix}.{rng.choice((*suffixes, *TEXTS))}")
    size = DTYPES.get(tensor.dtype, 1)
    if not tensor.data or len(tensor.data) % size:
        return _fit(tensor)
    at = rng.randrange(len(tensor.data) // size) * size
    number = rng.choice([n for n in NUMBERS if isinstance(n, int)])
    if kind == 5:
        number = int.from_bytes(tensor.data[at : at + size], "little") + rng.choice((-1, 1))
    word = (number % (1 << (8 * size))).to_bytes(size, "little")
    return replace(tensor, data=tensor.data[:at] + word + tensor.data[at + size :])


def mutate_safetensors(data: bytes, rng: random.Random, raw: Raw) -> bytes:
    """Mutate a safetensors file: what its header says in JSON, or a tensor, or any bytes."""
    parts = unpack(data)
    if parts is None or rng.random() < 0.05:
        return raw(data)
    metadata, tensors = parts
    kind = rng.random()
    if metadata and kind < 0.5:
        entry = rng.choice(list(metadata))
        text = str(metadata[entry]).encode("utf-8", "surrogatepass")  # it may be no text any more
        changed = mutate_json(text, rng, raw).decode("utf-8", "replace")
        metadata = {**metadata, entry: changed}
    elif tensors and kind < 0.95:
        at = rng.randrange(len(tensors))
        tensors[at] = _mutate_tensor(tensors[at], rng, raw)
    elif tensors:
        at = rng.randrange(len(tensors))
        rng.choice((lambda: tensors.pop(at), lambda: tensors.insert(at, tensors[-1])))()
    return pack(metadata, tensors)


# --- npz, csv, toml ----------------------------------------------------------------------------


def mutate_zip(data: bytes, rng: random.Random, raw: Raw) -> bytes:
    """Mutate a ``.zip`` file: a file in it, a name, how it is packed, or any bytes."""
    members = _members(data)
    if not members or rng.random() < 0.15:
        return raw(data)
    name = rng.choice(list(members))
    kind = rng.randrange(5)
    if kind == 0:
        folder, _, file = name.rpartition("/")
        others = (f"../{name}", f"/{name}", folder + "/", file, f"train/{name}", f"{name}/x.png")
        members[rng.choice((*others, f"new/{file}", f"__MACOSX/{name}", *TEXTS))] = members[name]
    elif kind == 1:
        del members[name]
    elif kind == 2:
        members[name] += bytes(rng.choice((1, 8, 1 << 15)))
    else:
        members[name] = raw(members[name])
    return _zipped(members, rng)


def _members(data: bytes) -> dict[str, bytes] | None:
    """Return the files in a ``.zip`` file by name; ``None`` if it is none of a sane size."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > 4 * MAX_BYTES:
                return None
            return {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # whatever zipfile makes of it: it is not what is tested here
        return None


def _zipped(members: dict[str, bytes], rng: random.Random) -> bytes:
    """Return a ``.zip`` file of ``members``, packed in one way or another."""
    buffer = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    quiet = warnings.catch_warnings(action="ignore")  # of names that are one up to a zero
    with quiet, zipfile.ZipFile(buffer, "w", packing) as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member.encode("utf-8", "replace").decode()), content)
    return buffer.getvalue()


def mutate_npz(data: bytes, rng: random.Random, raw: Raw) -> bytes:
    """Mutate a ``.npz`` file: an array's header or its numbers, the names, or any bytes."""
    members = _members(data)
    if not members or rng.random() < 0.1:
        return raw(data)
    name = rng.choice(list(members))
    kind = rng.randrange(6)
    if kind == 0:
        other = rng.choice(("x.npy", "y.npy", "x", "x_train.npy", "../x.npy", *TEXTS))
        members[other] = members.pop(name)
    elif kind == 1:
        members[name] = raw(members[name])
    elif kind == 2:
        members[name] += bytes(rng.choice((1, 8, 1 << 15)))
    else:
        members[name] = _mutate_npy(members[name], rng)
    return _zipped(members, rng)


_DESCRS = ("|b1", "|u1", "<i2", ">i4", "<i8", "<u8", "<f2", "<f4", "<f8", "<f16", "<c8", "|O")
_MORE_DESCRS = ("|V8", "<U1", "<U9", "|S3", "<M8[s]", "<m8", "<U999999999", "x", "<i3")


def _mutate_npy(content: bytes, rng: random.Random) -> bytes:
    """Change the header of an ``.npy`` file."""
    length = int.from_bytes(content[8:10], "little")
    body = content[10 + length :]
    shape = rng.choice(
        (
            *("()", "(4,)", "(8,)", "(8, 3)", "(3, 8)", "(2, 2, 6)", "(0, 4)", "(4, 0)", "(-1,)"),
            *("8", "(99999999999,)", "(4611686018427387904, 0)", "(1 << 3,)", "(" * 300, "(4.0,)"),
        )
    )
    plain = (repr(each) for each in _DESCRS + _MORE_DESCRS)
    descr = rng.choice([*plain, "[('a', '<i4')]", "[]"])
    header = f"{{'descr': {descr}, 'fortran_order': {rng.choice(('False', 'True', '3'))}, "
    text = (header + f"'shape': {shape}, }}").encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return content[:8] + len(text).to_bytes(2, "little") + text + body


def mutate_csv(data: bytes, rng: random.Random, raw: Raw) -> bytes:
    """Mutate a table: a cell, a row, a column, or any bytes."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error):
        return raw(data)
    if not rows or not all(rows) or rng.random() < 0.2:
        return raw(data)
    row = rng.randrange(len(rows))
    column = rng.randrange(len(rows[row]))
    kind = rng.randrange(6)
    if kind < 3:
        rows[row][column] = str(rng.choice((*NUMBERS, *TEXTS, "label", "1_0", "\u0663", "0x10")))
    elif kind == 3:
        rows.insert(row, list(rows[row]))
    elif kind == 4:
        del rows[row][column]
    else:
        rows = [[*cells, *cells[: rng.choice((1, 2, 500))]] for cells in rows][:60]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=rng.choice(("\n", "\r\n"))).writerows(rows)
    return buffer.getvalue().encode("utf-8", "surrogatepass")


def to_toml(table: dict[str, Any]) -> str:
    """Return a table as TOML; what that cannot say, it says as wrongly as need be."""

    def value(it: Any) -> str:
        if isinstance(it, dict):
            return "{" + ", ".join(f"{json.dumps(k)} = {value(v)}" for k, v in it.items()) + "}"
        if isinstance(it, list):
            return "[" + ", ".join(map(value, it)) + "]"
        if isinstance(it, float):
            return repr(it)
        return to_json(it)

    return "".join(f"{json.dumps(key)} = {value(it)}\n" for key, it in table.items())

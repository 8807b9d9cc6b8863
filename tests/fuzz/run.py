"""Coverage-guided fuzzing with atheris: ``python tests/fuzz/run.py TARGET... --minutes 10``.

Several targets share the time: an input's first byte then says which of them it is for. Needs
``pip install .[fuzz]``. Starts from valid files and what earlier runs found to reach new code, in
``--corpus``. Ends with exit code 0 after the time, or as soon as something is not as promised, with
a traceback and a file ``crash-...``, ``timeout-...`` or ``oom-...`` in ``--found``; ``--input``
runs such a file once more.
"""

import argparse
import atexit
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import atheris

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS), str(_TESTS / "helpers")]
with atheris.instrument_imports(include=["htaflow", "zipfile", "tomllib", "gzip"]):
    from fuzz.targets import TARGETS

SECONDS = 20
"""An input may take so long before it counts as a hang; the machine may be busy."""


def main() -> None:
    """Read the command line, and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+", choices=TARGETS, metavar="TARGET")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--corpus", type=Path, default=Path("fuzzed/corpus"))
    parser.add_argument("--found", type=Path, default=Path("fuzzed/found"))
    parser.add_argument("--input", type=Path, help="run this file once, and fuzz nothing")
    options = parser.parse_args()
    targets = [TARGETS[name] for name in dict.fromkeys(options.targets)]
    name = "-".join(target.name for target in targets)
    seeds = [
        bytes([number]) + seed for number, target in enumerate(targets) for seed in target.seeds()
    ]
    shared = Path("/dev/shm")
    work = Path(tempfile.mkdtemp(prefix="htaflow-fuzz-", dir=shared if shared.is_dir() else None))
    atexit.register(shutil.rmtree, work, ignore_errors=True)
    counts = {target.name: [0, 0] for target in targets}
    begun = time.monotonic()

    def once(data: bytes) -> None:
        target = targets[data[0] % len(targets)] if data else targets[0]
        place = work / "at"
        place.mkdir(exist_ok=True)
        try:
            accepted = target.check(data[1:], place)
        finally:
            shutil.rmtree(place)
        counts[target.name][0] += 1
        counts[target.name][1] += accepted
        if sum(inputs for inputs, _ in counts.values()) % 2000 == 0:
            spent = time.monotonic() - begun
            told = (
                f"{name} {inputs} inputs, {good} good" for name, (inputs, good) in counts.items()
            )
            print(f"{spent:.0f} s: {'; '.join(told)}", file=sys.stderr, flush=True)  # noqa: T201

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if not data or rng.random() < 0.25:  # what is bad already seldom gets any further
            data = rng.choice(seeds)
        number, data = data[0] % len(targets), data[1:]
        for _ in range(rng.choice((1, 1, 2, 3))):
            data = targets[number].mutate(
                data, rng, lambda raw: atheris.Mutate(raw, max(1, most - 1))
            )
        return bytes([number]) + data[: most - 1]

    if options.input:
        once(options.input.read_bytes())
        return
    corpus, found = options.corpus / name, options.found / name
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-artifact_prefix={found}/",
        f"-max_total_time={round(60 * options.minutes)}",
        f"-timeout={SECONDS}",
        "-rss_limit_mb=4096",
        "-max_len=65536",
        "-len_control=0",
        "-print_final_stats=1",
        "-report_slow_units=5",
    ]
    atheris.Setup(arguments, once, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

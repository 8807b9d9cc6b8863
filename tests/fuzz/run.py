"""Coverage-guided fuzzing with atheris: ``python tests/fuzz/run.py TARGET --minutes 10``.

Needs ``pip install .[fuzz]``. Starts from valid files and what earlier runs found to reach new
code, in ``--corpus``. Ends with exit code 0 after the time, or as soon as something is not as
promised, with a traceback and a file ``crash-...``, ``timeout-...`` or ``oom-...`` in ``--found``;
``--input FILE`` runs that file once more.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
with atheris.instrument_imports(include=["htaflow", "zipfile", "tomllib", "gzip"]):
    from fuzz.targets import TARGETS

SECONDS = 20
"""An input may take so long before it counts as a hang; the machine may be busy."""


def main() -> None:
    """Read the command line, and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--corpus", type=Path, default=Path("fuzzed/corpus"))
    parser.add_argument("--found", type=Path, default=Path("fuzzed/found"))
    parser.add_argument("--input", type=Path, help="run this file once, and fuzz nothing")
    options = parser.parse_args()
    target = TARGETS[options.target]
    shared = Path("/dev/shm")
    work = Path(tempfile.mkdtemp(prefix="htaflow-fuzz-", dir=shared if shared.is_dir() else None))
    atexit.register(shutil.rmtree, work, ignore_errors=True)
    counts = {"inputs": 0, "accepted": 0}
    begun = time.monotonic()

    def once(data: bytes) -> None:
        place = work / "at"
        place.mkdir(exist_ok=True)
        try:
            counts["accepted"] += target.check(data, place)
        finally:
            shutil.rmtree(place)
        counts["inputs"] += 1
        if counts["inputs"] % 5000 == 0:
            tell()

    def tell() -> None:
        spent = time.monotonic() - begun
        print(f"{target.name}: {counts} in {spent:.0f} s", file=sys.stderr, flush=True)  # noqa: T201

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        for _ in range(rng.choice((1, 1, 2, 3))):
            data = target.mutate(data, rng, lambda raw: atheris.Mutate(raw, max(1, most)))
        return data if len(data) <= most else data[:most]

    if options.input:
        once(options.input.read_bytes())
        return
    corpus, found = options.corpus / target.name, options.found / target.name
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
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

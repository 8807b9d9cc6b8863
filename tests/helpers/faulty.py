"""A step of the flow that is killed, or finds the disk full, before its K-th change to a file.

    python faulty.py kill|full STEP FOLDER [K ...]

FOLDER/run holds a network. Python tells an audit hook of every file that it opens, renames or
deletes, every folder and every process: at the K-th of these the step is killed by SIGKILL, or
nothing can be created from there on. Then what lies there is looked at, the step is run again
undisturbed, and what it leaves is compared with what an undisturbed step left: byte for byte, but
for the seconds taken. Without K all are tried, from the first to the last. Each case is a process
of its own, forked from this one, which has everything imported.
"""

import contextlib
import errno
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import htaflow.hw.verilog  # noqa: F401  (imported once, before the processes are forked)
from htaflow.flows.build.build import build
from htaflow.flows.build.options import BuildOptions
from htaflow.flows.convert import convert
from htaflow.flows.report.report import report
from htaflow.model.support.errors import DoesNotFitError, HtaflowError
from htaflow.sim.verify import verify_rtl

Contents = dict[str, bytes]


def build_too_slow(run: Path) -> None:
    """Build what misses its clock, and so replaces nothing."""
    os.environ["FAKE_SPEEDS"] = '{"2": 10}'
    with contextlib.suppress(DoesNotFitError):
        build(run, "icebreaker", BuildOptions(seed=2))


STEPS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    # What there was before, and the step: it replaces an older result.
    "convert": (convert, lambda run: convert(run, bus_bits=8)),
    "build": (
        lambda run: build(run, "icebreaker"),
        lambda run: build(run, "icebreaker", BuildOptions(seed=2)),
    ),
    "slow build": (lambda run: build(run, "icebreaker"), build_too_slow),
    "report": (lambda run: (report(run), convert(run)), report),
    "verify": (
        lambda run: (convert(run), verify_rtl(run, frames=2)),
        lambda run: verify_rtl(run, frames=3),
    ),
}
CHANGES = {
    *("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.link"),
    *("shutil.rmtree", "shutil.copyfile", "tempfile.mkstemp", "fcntl.flock", "subprocess.Popen"),
}
NEEDS_SPACE = {"open", "os.mkdir", "tempfile.mkstemp"}
NO_SUCH_CHANGE, NO_CLEAR_ERROR = 3, 4


def disturb(mode: str, at: int, run: Path) -> None:
    """Count the changes from now on, and let the ``at``-th of them not happen."""
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not writes or str(run) not in str(path):
                return
        elif event not in CHANGES:
            return
        count += 1
        if count == at and mode == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if count >= at and mode == "full" and event in NEEDS_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

    sys.addaudithook(hook)


def forked(action: Callable[[], object]) -> int:
    """Run ``action`` in a process of its own and return how that ended."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            action()
            code = 0
        except HtaflowError:
            code = 2
        except OSError as error:
            code = 2 if error.filename and error.strerror else NO_CLEAR_ERROR
            if code == NO_CLEAR_ERROR:
                traceback.print_exc()
        except BaseException:
            traceback.print_exc()
            code = NO_CLEAR_ERROR
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(run: Path) -> Contents:
    """Return what is in every file of a run, without the seconds that something took."""
    found = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        # What a simulation leaves beside its result says when it ran.
        passing = name.startswith("verify/") and not name.endswith("rtl.json")
        if path.is_file() and not passing:
            found[name] = re.sub(rb'"seconds": [\d.]+', b'"seconds": 0', path.read_bytes())
    return found


def visible(found: Contents) -> Contents:
    """Return those of a run's files that anybody would take for results."""
    return {
        name: text
        for name, text in found.items()
        if not any(part.startswith(".") or part.endswith(".failed") for part in name.split("/"))
    }


def main(mode: str, name: str, folder: Path, chosen: list[int]) -> int:
    """Try each case and return how many went wrong."""
    prepare, step = STEPS[name]
    run, base = folder / "run", folder / "base"
    if not base.exists():
        prepare(run)
        shutil.copytree(run, base)
    before = contents(base)
    assert forked(lambda: step(run)) == 0
    after = contents(run)
    assert after != before
    wrong = tried = 0
    at = 0
    while True:
        at = at + 1 if not chosen else chosen[tried] if tried < len(chosen) else 0
        if at == 0:
            break
        shutil.rmtree(run)
        shutil.copytree(base, run)

        def disturbed(at: int = at) -> None:
            disturb(mode, at, run)
            step(run)

        ended = forked(disturbed)
        if ended == 0:  # it has fewer changes than that
            break
        tried += 1
        complaints = []
        if ended != (-signal.SIGKILL if mode == "kill" else 2):
            complaints.append(f"it ended with {ended}")
        now = visible(contents(run))
        for path, text in now.items():
            if text not in (before.get(path), after.get(path)):
                complaints.append(f"{path} is neither the old nor the new one")
        if mode == "full":  # to give a file its name takes no room, so nothing old need go
            complaints += [f"{path} is gone" for path in visible(before).keys() - now.keys()]
        if (again := forked(lambda: step(run))) != 0:
            complaints.append(f"the next run ended with {again}")
        found = contents(run)
        for path in sorted(found.keys() ^ after.keys()):
            complaints.append(f"{path} is {'left over' if path in found else 'missing'}")
        complaints += [f"{path} differs" for path in found if found[path] != after.get(path)]
        if complaints:
            wrong += 1
            sys.stdout.write(f"{mode} {name} at {at}: {'; '.join(complaints)}\n")
    sys.stdout.write(f"{tried} cases tried, {wrong} wrong\n")
    return wrong


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(min(1, main(*sys.argv[1:3], Path(sys.argv[3]), [int(a) for a in sys.argv[4:]])))

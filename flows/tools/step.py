"""One run of a tool, as a value: it is made first and run afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from htaflow.flows.tools.tools import find_tool, run_tool
from htaflow.model.support.files import digest, write_atomic


@dataclass(frozen=True)
class ToolRun:
    """A tool, its arguments, the files it reads besides other steps' outputs, and what it writes.

    ``endings`` has patterns that tell a whole output from half of one; ``own_log`` is a log that
    the tool writes itself: see ``run_tool``. All file names are relative to the folder in which it
    runs.
    """

    tool: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    log: str
    files: Mapping[str, str] = field(default_factory=dict)
    endings: Mapping[str, bytes] = field(default_factory=dict)
    own_log: str | None = None

    @property
    def digest(self) -> str:
        """A digest of everything that decides what the step does, but for the tool's version."""
        files = (part for pair in sorted(self.files.items()) for part in pair)
        return digest(self.tool, *self.arguments, "", *files)

    def run(self, folder: Path, timeout: float | None) -> None:
        """Write the step's files into ``folder`` and run its tool there.

        Raises what :func:`htaflow.flows.tools.tools.find_tool` and ``run_tool`` do.
        """
        for name, text in self.files.items():
            write_atomic(folder / name, text)
        run_tool(
            find_tool(self.tool),
            self.arguments,
            folder=folder,
            log=self.log,
            outputs=self.outputs,
            timeout=timeout,
            endings=self.endings,
            own_log=self.own_log,
        )

"""Certificates of what was proved of a run."""

from typing import Any

from htaflow.flows.rundir import Run, read_result
from htaflow.model.errors import BadInputError
from htaflow.model.network import Network

Facts = dict[str, Any]


def certificates(run: Run, network: Network) -> dict[str, Facts]:
    """Return the certificates of ``network`` that are in ``run``, by name.

    Raises ``BadInputError`` for one that is damaged.
    """
    found = {}
    for path in sorted(run.proofs.glob("*.json")):
        facts = read_result(path)
        if facts is None or facts.get("network") != network.digest:
            continue
        if not {"what", "closed", "items", "proved", "seconds"} <= facts.keys():
            raise BadInputError(f"{path}: it is no certificate; delete it and prove it again")
        found[path.stem] = facts
    return found

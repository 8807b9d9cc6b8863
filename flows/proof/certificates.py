"""Certificates of what was proved of a run."""

from htaflow.model.integer.network import Network
from htaflow.model.run_directory import Run, read_result
from htaflow.model.support.results import Certificate


def certificates(run: Run, network: Network) -> dict[str, Certificate]:
    """Return the certificates of ``network`` and of what is in ``run`` now, by name.

    Raises ``BadInputError`` for one that is damaged.
    """
    found = {}
    for path in sorted(run.proofs.glob("*.json")):
        facts = read_result(path, Certificate)
        if facts and facts["network"] == network.digest and run.is_current(facts["of"]):
            found[path.stem] = facts
    return found

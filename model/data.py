"""Where data come from: one name or path, one :class:`Dataset`."""

from pathlib import Path

from sklearn.datasets import load_digits as sklearn_digits

from htaflow.model.arguments import checked
from htaflow.model.dataset import Dataset, make_dataset, split
from htaflow.model.errors import BadInputError, nearest
from htaflow.model.idx import load_idx_folder
from htaflow.model.mnist import load_mnist
from htaflow.model.progress import Progress, silent
from htaflow.model.table import load_csv, load_npz

BUILT_IN = ("digits", "mnist")


@checked
def load(spec: str | Path, progress: Progress = silent) -> Dataset:
    """Return the dataset that ``spec`` names.

    Args:
        spec: ``digits`` (scikit-learn's 8 x 8 digits, always there), ``mnist`` (downloaded once),
            a folder of MNIST's IDX files, or a user's ``.npz`` or ``.csv`` file; see
            :mod:`htaflow.model.table` for what these hold.
        progress: told of a download.

    Raises:
        BadInputError: there is no such data, or they are refused.
    """
    spec = str(spec)
    if spec == "digits":
        return load_digits()
    if spec == "mnist":
        return load_mnist(progress=progress)
    path = Path(spec)
    if spec and path.is_dir():
        return load_idx_folder(path, path.resolve().name)
    if not spec or not path.exists():
        raise BadInputError(
            f"no data '{spec}': neither built in nor a path{nearest(spec, BUILT_IN)}"
        )
    readers = {".npz": load_npz, ".csv": load_csv}
    if path.suffix.lower() not in readers:
        raise BadInputError(
            f"{path}: data are a folder of IDX files, a .npz or a .csv file, not '{path.suffix}'"
        )
    return readers[path.suffix.lower()](path)


def load_digits() -> Dataset:
    """Return scikit-learn's bundled digits: 8 x 8 pixels of 0..16, about 1,440 + 360 frames.

    From "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI (1998).
    """
    bunch = sklearn_digits()
    train, test = split(bunch.data.astype("int32"), bunch.target)
    return make_dataset("digits", "digits", train, test)

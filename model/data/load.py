"""Where data come from: one name or path, one :class:`Dataset`."""

from pathlib import Path

from sklearn.datasets import load_digits as sklearn_digits

from htaflow.model.data.dataset import Dataset, make_dataset, split
from htaflow.model.data.idx import is_idx_folder, load_idx_folder
from htaflow.model.data.images.folder import load_image_archive, load_image_folder
from htaflow.model.data.mnist import load_mnist
from htaflow.model.data.options import DataOptions
from htaflow.model.data.tables.table import load_csv, load_npz
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, did_you_mean
from htaflow.model.support.progress import Progress, silent

BUILT_IN = ("digits", "mnist")


_DEFAULT = DataOptions()


@checked
def load(spec: str | Path, progress: Progress = silent, options: DataOptions = _DEFAULT) -> Dataset:
    """Return the dataset that ``spec`` names.

    Args:
        spec: ``digits`` (scikit-learn's 8 x 8 digits, always there), ``mnist`` (downloaded once),
            a folder of MNIST's IDX files, a folder of class folders with PNG or JPEG files, or a
            ``.zip`` file of these (see :mod:`htaflow.model.data.images.folder`), or a user's
            ``.npz`` or ``.csv`` file (see :mod:`htaflow.model.data.tables.table`).
        progress: told of a download, and of what was recognised in a user's data.
        options: how to read a user's data.

    Raises:
        BadInputError: there is no such data, or they are refused.
    """
    spec = str(spec)
    if spec in BUILT_IN:
        options.require(spec, "built-in data")
        return load_digits() if spec == "digits" else load_mnist(progress=progress)
    path = Path(spec)
    if spec and path.is_dir():
        return _load_folder(path, options, progress)
    if not spec or not path.exists():
        raise BadInputError(
            f"no data '{spec}': neither built in nor a path{did_you_mean(spec, BUILT_IN)}"
        )
    readers = {".npz": load_npz, ".csv": load_csv, ".tsv": load_csv, ".zip": load_image_archive}
    if path.suffix.lower() not in readers:
        raise BadInputError(
            f"{path}: data are a folder of IDX files, a folder or .zip file of class folders with "
            f"images, a .npz or a .csv file, not '{path.suffix}'"
        )
    return readers[path.suffix.lower()](path, options, progress)


def _load_folder(path: Path, options: DataOptions, progress: Progress) -> Dataset:
    """Return the dataset in a folder: of IDX files, or of images in class folders."""
    if not is_idx_folder(path):
        return load_image_folder(path, options, progress)
    options.require(str(path), "IDX files")
    return load_idx_folder(path, path.resolve().name)


def load_digits() -> Dataset:
    """Return scikit-learn's bundled digits: 8 x 8 pixels of 0..16, about 1,440 + 360 frames.

    From "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI (1998).
    """
    bunch = sklearn_digits()
    train, test = split(bunch.data.astype("int32"), bunch.target)
    return make_dataset("digits", "digits", train, test)

"""Principal components of spectrograms, and the file that keeps them.

A segment is `mean + z . components`, as in the transfer of jayanthkoushik/multicomp-hackathon
(2017), where `z` is what is optimised.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from research.arrays import load_arrays
from research.data.front_ends.stft import SpectrogramConfig
from research.errors import InputError
from research.files import written_whole
from research.settings import above, at_least, freeze

# Of the file; raise it when its arrays or their meaning change.
_VERSION = 1
_NAMES = (
    "mean",
    "components",
    "explained_variance",
    "explained_variance_ratio",
    "num_frames",
    "spectrogram",
    "origin",
)
_MEND = "fit one by run_train.py --mode=pca"
# Numbers of each segment that are seen in double precision at a time.
_BLOCK = 4096
# Of the largest variance: what lies below is rounding, and its direction is arbitrary.
_ROUNDING = 1e-10


@dataclasses.dataclass(frozen=True)
class PcaConfig:
    """How many components are fitted, to how much.

    With `n` segments of `size` numbers and `k` components it takes
    `2 n size + 4 k size + 50 n^2 + 50 000 n` bytes of memory, and a file of `4 k size`: 0.7 GB and
    135 MB for 2000 segments of 257 frames by 257 bins and 512 components.

    Attributes:
      explained_variance: share of the variance that the components are to explain.
      max_components: that are kept, even if they explain less.
      num_segments: that are fitted at most, chosen at random.

    Raises:
      ValueError: an explained variance above 1.
    """

    explained_variance: float = above(0.95, 0)
    max_components: int = at_least(512, 1)
    num_segments: int = at_least(2000, 2)

    def __post_init__(self):
        if self.explained_variance > 1:
            raise ValueError("explained_variance is a share of the whole; give at most 1")


@dataclasses.dataclass(frozen=True)
class Pca:
    """Principal components of segments, `mean + z . components`, the largest first.

    Attributes:
      mean: of the segments, `[frames, bins]` float32 of `log(1 + magnitude)`.
      components: orthonormal, the number of largest size in each of them positive,
        `[components, frames, bins]` float32.
      deviations: standard deviation of the segments along each component (of `z`),
        `[components]` float64.
      explained_variance_ratio: share of the variance of the segments along each component,
        `[components]` float64.
      spectrogram: of the segments.
      origin: what it was fitted to, as JSON holds it.
    """

    mean: np.ndarray
    components: np.ndarray
    deviations: np.ndarray
    explained_variance_ratio: np.ndarray
    spectrogram: SpectrogramConfig
    origin: dict[str, Any]


def fit_pca(
    segments: np.ndarray,
    spectrogram: SpectrogramConfig,
    config: PcaConfig,
    origin: dict[str, Any] | None = None,
) -> Pca:
    """Components of `[segments, frames, bins]`, as many as explain the share that is asked for.

    Segments are fewer than their numbers, so with the centred segments as the rows of `X` it is
    `X X^T = U L U^T` that is decomposed, and the components are `L^(-1/2) U^T X` (Turk & Pentland
    1991). All of it is in double precision, a block of columns after the other. On one machine
    the same segments give the same bytes.

    Raises:
      InputError: all segments are the same.
    """
    count = len(segments)
    flat = segments.reshape(count, -1)
    products, mean = np.zeros((count, count)), np.empty(flat.shape[1], np.float32)
    for columns, middle, block in _centred_blocks(flat):
        mean[columns] = middle
        products += block @ block.T
    values, vectors = (array[..., ::-1] for array in np.linalg.eigh(products))
    total = products.trace()
    if not total > 0:
        raise InputError(
            f"the training segments, {count} in number, are all the same, so they have no "
            "principal components; give other tracks by config.data.root"
        )
    share = np.cumsum(values) / total
    wanted = int(np.searchsorted(share, config.explained_variance)) + 1
    kept = min(wanted, config.max_components, np.count_nonzero(values > _ROUNDING * values[0]))
    values, weights = values[:kept], (vectors[:, :kept] / np.sqrt(values[:kept])).T

    components = np.empty((kept, flat.shape[1]), np.float32)
    for columns, _, block in _centred_blocks(flat):
        components[:, columns] = weights @ block
    for component in components:
        component *= np.sign(component[np.abs(component).argmax()])
    shape = segments.shape[1:]
    return Pca(
        mean=mean.reshape(shape),
        components=components.reshape(kept, *shape),
        deviations=np.sqrt(values / (count - 1)),
        explained_variance_ratio=values / total,
        spectrogram=spectrogram,
        origin=origin or {},
    )


def _centred_blocks(flat: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Columns of `[segments, size]`, their mean, and what differs from it, in double precision."""
    for start in range(0, flat.shape[1], _BLOCK):
        columns = slice(start, start + _BLOCK)
        block = flat[:, columns].astype(np.float64)
        mean = block.mean(axis=0)
        block -= mean
        yield columns, mean, block


def save_pca(path: str | os.PathLike, pca: Pca) -> None:
    """Write components, whole or not at all.

    The `.npz` file holds `version`, `mean`, `components`, `explained_variance` (the squares of the
    deviations), `explained_variance_ratio`, `num_frames`, and as JSON `spectrogram` and `origin`.

    Raises:
      InputError: it cannot be written.
    """
    with written_whole(path) as temporary:
        np.savez(
            temporary,
            version=_VERSION,
            mean=pca.mean,
            components=pca.components,
            explained_variance=np.square(pca.deviations),
            explained_variance_ratio=pca.explained_variance_ratio,
            num_frames=len(pca.mean),
            spectrogram=json.dumps(dataclasses.asdict(pca.spectrogram)),
            origin=json.dumps(pca.origin),
        )


def load_pca(path: str | os.PathLike) -> Pca:
    """Components that were saved.

    Raises:
      InputError: there is no such file, or it is none of components, of another version, lacks an
        array, or holds one that does not fit the others or is not finite.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise InputError(f"there is no PCA in {path}; {_MEND}")
    arrays = load_arrays(path, "a PCA", _MEND)
    if "version" not in arrays:
        raise InputError(f"{path} is no file of a PCA; {_MEND}")
    if arrays["version"] != _VERSION:
        raise InputError(
            f"{path} is of version {arrays['version']} of the format, not {_VERSION}; {_MEND}"
        )
    missing = [name for name in _NAMES if name not in arrays]
    if missing:
        raise InputError(f"{path} lacks the array {missing[0]}; {_MEND}")
    try:
        spectrogram = freeze(
            SpectrogramConfig, json.loads(arrays["spectrogram"].item()), "spectrogram"
        )
        origin = json.loads(arrays["origin"].item())
        shape = int(arrays["num_frames"]), spectrogram.stft.num_bins
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); {_MEND}") from error
    count = arrays["components"].shape[:1]
    shapes = {
        "mean": shape,
        "components": count + shape,
        "explained_variance": count,
        "explained_variance_ratio": count,
    }
    for name, wanted in shapes.items():
        array = arrays[name]
        if array.shape != wanted or array.dtype.kind != "f":
            raise InputError(
                f"{path} has {name} of {array.dtype} {array.shape}, not of floats {wanted}; {_MEND}"
            )
        if not np.isfinite(array).all():
            raise InputError(f"{path} has {name} that is not finite; {_MEND}")
    return Pca(
        mean=arrays["mean"],
        components=arrays["components"],
        deviations=np.sqrt(arrays["explained_variance"]),
        explained_variance_ratio=arrays["explained_variance_ratio"],
        spectrogram=spectrogram,
        origin=origin,
    )

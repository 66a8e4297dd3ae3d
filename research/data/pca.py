"""Principal components of spectrograms, and their file.

A segment is `mean + z . components`. The transfer of jayanthkoushik/multicomp-hackathon (2017)
optimises `z`.
"""

import dataclasses
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from research.arrays import load_arrays
from research.data.front_ends.base import FrontEnd
from research.data.front_ends.stft import SpectrogramConfig
from research.errors import InputError
from research.files import atomic_write, expand
from research.settings import above, at_least, between, freeze

# Raise it when the arrays of the file or their meaning change.
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
_HINT = "fit one by run_train.py --mode=pca"
# Numbers of each segment that are in double precision at a time.
_BLOCK = 4096
# Fraction of the largest variance; directions of less are rounding errors.
_ROUNDING = 1e-10


@dataclasses.dataclass(frozen=True)
class PcaConfig:
    """How many components are fitted, to how many segments.

    With `n` segments of `size` numbers and `k` components, a fit takes
    `2 n size + 4 k size + 50 n^2 + 50 000 n` bytes of memory and a file of `4 k size`: 0.7 GB and
    135 MB for 2000 segments of 257 frames by 257 bins and 512 components.

    Attributes:
      explained_variance: fraction of the variance to explain.
      max_components: largest number of components, even if they explain less.
      num_segments: largest number of segments; of more, random ones are used.

    Raises:
      ValueError: `explained_variance` is above 1.
    """

    explained_variance: float = above(0.95, 0)
    max_components: int = between(512, 1, 65536)
    num_segments: int = at_least(2000, 2)

    def __post_init__(self):
        if self.explained_variance > 1:
            raise ValueError("explained_variance is a fraction of the variance; give at most 1")


@dataclasses.dataclass(frozen=True)
class Pca:
    """Principal components of segments, `mean + z . components`, the largest first.

    Attributes:
      mean: of the segments, `[frames, bins]` float32 of `log(1 + |STFT|)`.
      components: orthonormal, the number of largest absolute value in each of them positive,
        `[components, frames, bins]` float32.
      standard_deviations: of the segments along each component (of `z`), `[components]` float64.
      explained_variance_ratio: fraction of the variance along each component, `[components]`
        float64.
      spectrogram: the front end of the segments, an invertible one.
      origin: what the components were fitted to, of JSON values.
    """

    mean: np.ndarray
    components: np.ndarray
    standard_deviations: np.ndarray
    explained_variance_ratio: np.ndarray
    spectrogram: FrontEnd
    origin: dict[str, Any]


def fit_pca(
    segments: np.ndarray,
    spectrogram: FrontEnd,
    config: PcaConfig,
    origin: dict[str, Any] | None = None,
) -> Pca:
    """Principal components of segments.

    There are fewer segments than numbers in each. So with the centred segments as the rows of `X`,
    `X X^T = U L U^T` is decomposed, and the components are `L^(-1/2) U^T X` (Turk & Pentland
    1991). Computed in double precision, block by block of columns. On one machine the same
    segments give the same bytes.

    Args:
      segments: `[segments, frames, bins]`.
      spectrogram: the front end of the segments, an invertible one.
      config: how many components.
      origin: what the segments are, of JSON values.

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
    explained = np.cumsum(values) / total
    wanted = int(np.searchsorted(explained, config.explained_variance)) + 1
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
        standard_deviations=np.sqrt(values / (count - 1)),
        explained_variance_ratio=values / total,
        spectrogram=spectrogram,
        origin=origin or {},
    )


def _centred_blocks(flat: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Blocks of columns of `[segments, size]`: place, mean, and the centred block, float64."""
    for start in range(0, flat.shape[1], _BLOCK):
        columns = slice(start, start + _BLOCK)
        block = flat[:, columns].astype(np.float64)
        mean = block.mean(axis=0)
        block -= mean
        yield columns, mean, block


def save_pca(path: str | os.PathLike, pca: Pca) -> None:
    """Write components atomically.

    The `.npz` file holds `version`, `mean`, `components`, `explained_variance` (the squares of the
    standard deviations), `explained_variance_ratio`, `num_frames`, and as JSON `spectrogram` and
    `origin`.

    Raises:
      InputError: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        np.savez(
            temporary,
            version=_VERSION,
            mean=pca.mean,
            components=pca.components,
            explained_variance=np.square(pca.standard_deviations),
            explained_variance_ratio=pca.explained_variance_ratio,
            num_frames=len(pca.mean),
            spectrogram=json.dumps(dataclasses.asdict(pca.spectrogram)),
            origin=json.dumps(pca.origin),
        )


def load_pca(path: str | os.PathLike) -> Pca:
    """Read a file of `save_pca`.

    Raises:
      InputError: there is no such file, it is of another kind or version, lacks an array, or has
        one that does not fit the others or is not finite.
    """
    path = expand(path)
    if not path.is_file():
        raise InputError(f"there is no PCA in {path}; {_HINT}")
    arrays = load_arrays(path, "a PCA", _HINT)
    if "version" not in arrays:
        raise InputError(f"{path} is no file of a PCA; {_HINT}")
    version = arrays["version"]
    if version.shape or version != _VERSION:
        raise InputError(
            f"{path} is of version {version.tolist()} of the format, not {_VERSION}; {_HINT}"
        )
    missing = [name for name in _NAMES if name not in arrays]
    if missing:
        raise InputError(f"{path} lacks the array {missing[0]}; {_HINT}")
    try:
        spectrogram = freeze(
            SpectrogramConfig, dict(json.loads(arrays["spectrogram"].item())), "spectrogram"
        )
        origin = json.loads(arrays["origin"].item())
        shape = int(arrays["num_frames"]), spectrogram.stft.num_bins
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}); {_HINT}") from error
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
                f"{path} has {name} of {array.dtype} {array.shape}, not of floats {wanted}; {_HINT}"
            )
        if not np.isfinite(array).all():
            raise InputError(f"{path} has {name} that is not finite; {_HINT}")
    if (arrays["explained_variance"] < 0).any():
        raise InputError(f"{path} has an explained_variance below 0; {_HINT}")
    return Pca(
        mean=arrays["mean"],
        components=arrays["components"],
        standard_deviations=np.sqrt(arrays["explained_variance"]),
        explained_variance_ratio=arrays["explained_variance_ratio"],
        spectrogram=spectrogram,
        origin=origin,
    )

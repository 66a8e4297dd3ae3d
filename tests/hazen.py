"""Quantiles by numpy."""

import numpy as np


def hazen_quantiles(values: np.ndarray, num_quantiles: int = 256) -> np.ndarray:
    """Quantiles over time by numpy, `[channels, frames, dims]`."""
    levels = (np.arange(num_quantiles) + 0.5) / num_quantiles
    found = np.quantile(np.asarray(values, np.float64), levels, axis=1, method="hazen")
    return np.moveaxis(found, 0, 1)

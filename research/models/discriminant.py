"""A linear discriminant on statistics of a segment. It is fitted in closed form, without gradients.

Many weak statistics and a shrunken covariance need few tracks, and err on other tracks than a
network that learns its features.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from research.models.modulation import modulation
from research.models.texture import texture
from research.products import matmul

PATCH_FRAMES = 4
_NUM_COMPONENTS = 100
_THRESHOLD = 0.5  # Of an atom; whitened patches have a standard deviation of about 1.
_TINY = 1e-6  # Added to variances.


class Discriminant(nnx.Module):
    """Logits `((statistics - mean) * scale) @ weight + bias`, linear in statistics of a segment.

    The statistics are in two groups, which count as independent of each other. One is those of
    `texture`, and the mean and the standard deviation over time of `relu(whitened @ atoms - 0.5)`,
    the activations of a dictionary. Here `whitened` is `((patch - patch_mean) @ basis) *
    basis_scale`, and a patch is four successive frames, less the mean of each bin over the segment
    (Coates, Ng & Lee 2011, "An analysis of single-layer networks in unsupervised feature
    learning"). The other group is those of `modulation`.

    `research.training.discriminant` fits all arrays to the training segments before the first step.
    Until then the logits are 0. While a network is trained, they are left out.

    Attributes:
      sizes: numbers of statistics of the groups.
    """

    def __init__(self, num_frames: int, num_bins: int, num_classes: int, num_atoms: int):
        patch = PATCH_FRAMES * num_bins
        components = min(_NUM_COMPONENTS, patch)
        self.patch_mean = nnx.BatchStat(jnp.zeros(patch))
        self.basis = nnx.BatchStat(jnp.zeros((patch, components)))
        self.basis_scale = nnx.BatchStat(jnp.zeros(components))
        self.atoms = nnx.BatchStat(jnp.zeros((components, num_atoms)))
        segment = jax.ShapeDtypeStruct((1, num_frames, num_bins), jnp.float32)
        groups = jax.eval_shape(self._groups, segment)
        self.sizes = tuple(group.shape[1] for group in groups)
        num_statistics = sum(self.sizes)
        self.mean = nnx.BatchStat(jnp.zeros(num_statistics))
        self.scale = nnx.BatchStat(jnp.zeros(num_statistics))
        self.weight = nnx.BatchStat(jnp.zeros((num_statistics, num_classes)))
        self.bias = nnx.BatchStat(jnp.zeros(num_classes))
        self.deterministic = True

    def set_view(self, deterministic: bool | None = None) -> None:
        """Leave the logits out unless `deterministic`; called by `nnx.view`."""
        if deterministic is not None:
            self.deterministic = deterministic

    def __call__(self, frames: jax.Array) -> jax.Array:
        """Logits, `[batch, classes]`; zeros in training."""
        if not self.deterministic:
            return jnp.zeros((len(frames), len(self.bias[...])))
        standardised = (self.statistics(frames) - self.mean[...]) * self.scale[...]
        return matmul(standardised, self.weight[...]) + self.bias[...]

    def statistics(self, frames: jax.Array) -> jax.Array:
        """What the discriminant is linear in, group after group, `[batch, statistics]`."""
        return jnp.concatenate(self._groups(frames), axis=1)

    def _groups(self, frames: jax.Array) -> tuple[jax.Array, jax.Array]:
        whitened = matmul(patches(frames) - self.patch_mean[...], self.basis[...])
        whitened *= self.basis_scale[...]
        activations = jax.nn.relu(matmul(whitened, self.atoms[...]) - _THRESHOLD)
        deviation = jnp.sqrt(activations.var(1) + _TINY)
        first = jnp.concatenate([texture(frames), activations.mean(1), deviation], axis=1)
        return first, modulation(frames)


def patches(frames: jax.Array) -> jax.Array:
    """All patches of segments, `[batch, frames, bins]` to `[batch, frames - 3, 4 bins]`."""
    frames = frames - frames.mean(1, keepdims=True)
    count = frames.shape[1] - PATCH_FRAMES + 1
    return jnp.concatenate([frames[:, i : i + count] for i in range(PATCH_FRAMES)], axis=-1)

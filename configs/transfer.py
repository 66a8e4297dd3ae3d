"""Style transfer: the default, transfer of texture, and the published systems.

    python run_transfer.py --content=a.wav --style=b.wav
    python run_transfer.py --config=configs/transfer.py:texture --config.style_weight=3
    python run_transfer.py --config=configs/transfer.py:ulyanov --content=a.wav --style=b.wav

The keys, their defaults and what they mean are in `research/transfer/config.py` and the dataclasses
it names; the default is `TransferConfig()`, the other presets are changes to it.
"""

import dataclasses

from ml_collections import ConfigDict

from configs import presets
from research.audio.phase import PhaseConfig
from research.audio.stft import StftConfig
from research.transfer.config import ContentWeights, StyleWeights, TransferConfig
from research.transfer.optimisers import OptimiserConfig
from research.transfer.random_filters import FilterConfig

_PUBLISHED = TransferConfig(
    mono=True,
    rms=None,
    keep_rests=False,
    full_band=False,
    dynamics=0.0,
    style_weight=1.0,
    content=ContentWeights.only(features=1.0),
    style=StyleWeights.only(gram=1.0),
    features=FilterConfig(num_filters=4096, max_hz=11025.0),
    variable="raw_spectrogram",
    init="noise",
    scale="sum",
    phase=PhaseConfig(start="random", num_iterations=500, momentum=0.0),
)
"""What the published systems share: features of random filters and their Gram matrix."""

_ULYANOV = dataclasses.replace(
    _PUBLISHED,
    content_weight=1e-2,
    num_iterations=250,
    gram_divisor="input_frames",
    optimiser=OptimiserConfig(memory_size=30, log_every=5),
)
"""Ulyanov & Lebedev 2016, "Audio texture synthesis and style transfer", as published.

Loss `1e-2 SSE(features) + SSE(Gram)`, 4096 filters of width 11, from noise of 0.001, L-BFGS, 500
plain Griffin-Lim iterations. What differs from the notebook: 250 iterations, not 300, and an end
after 20 that gain less than 0.1 %; a memory of 30 pairs, not SciPy's 10, and optax's line search;
all frames, not the first 430; the output has the content's loudness and no peak above 0.95.
"""

_PALAIA = dataclasses.replace(
    _ULYANOV,
    content_weight=1.0,
    style_weight=1e7,
    init="content",
    features=dataclasses.replace(_ULYANOV.features, num_filters=2048),
    scale="mean",
    gram_divisor="frames_filters",
    optimiser=dataclasses.replace(_ULYANOV.optimiser, patience=50),
)
"""Palaia 2022-2025, Progetto-Lab-IA: mean squared errors under random filters, made to work.

`content_weight MSE(F, F_c) + style_weight MSE(G, G_s)`, `G = F F^T / (filters frames)`, the loss of
their first notebook under the 2048 filters of their later transfer. What differs: each weight
enters once (it entered twice, once three times), and the Gram's divisor makes its error tiny,
hence 1e7 of our own; their later Gram is divided by the frames alone; at most 250 iterations of
L-BFGS, not 300 evaluations (or 2000 steps of Adam), with a memory of 30 pairs; patience is theirs,
50 iterations without 0.1 %; the output has the content's loudness and no peak above 0.95.
"""

_ALISHDIPANI = dataclasses.replace(
    _ULYANOV,
    content_weight=0.0,
    style_weight=2500.0**2,
    num_iterations=2500,
    variable="spectrogram",
    init="content",
    features=dataclasses.replace(
        _ULYANOV.features, widths=(3,), nonlinearity="none", layer="conv1d"
    ),
    scale="mean",
    gram_divisor="frames_filters",
    optimiser=OptimiserConfig(name="adam", learning_rate=0.03, log_every=25, patience=0),
)
"""Dipani 2018, Neural-Style-Transfer-Audio: style alone, a linear `Conv1d` of width 3, Adam.

`MSE(2500 G, 2500 G_s)`, so the weight is 2500^2, with `G = F F^T / (filters frames)`; from the
content, learning rate 0.03, 2500 steps: some minutes for 10 s of audio on two cores. What differs:
the spectrogram is kept non-negative by a softplus and not cut to [0, 1] after each step, which
clips 13 to 29 % of the bins; the best step is kept, not the last; lengths may differ; rates other
than 22 050 Hz are resampled; the output has the content's loudness and no peak above 0.95.
"""

_MULTICOMP = dataclasses.replace(
    _PUBLISHED,
    style_weight=100.0,
    content=ContentWeights.only(spectrogram=1.0),
    style=StyleWeights.only(activations=1.0),
    num_iterations=400,
    init="zeros",
    stft=StftConfig(n_fft=512, hop_length=258),
    features=dataclasses.replace(_PUBLISHED.features, num_filters=0),
    layers=("features",),
    optimiser=OptimiserConfig(
        name="adam", learning_rate=0.02, unrolled=True, log_every=5, patience=0
    ),
)
"""Koushik 2017, multicomp-hackathon: through a genre classifier, `--config.checkpoint=WORKDIR`.

`SSE(S - S_content) + lambda SSE(f(S) - f(S_style))`, `f` the 100 final features of a network
trained by `configs/single_channel.py:code`, which sees 3 s as 257 frames by 257 bins (n_fft 512,
hop 258); Adam, 500 plain Griffin-Lim iterations. What differs: lambda, `style_weight`, is our own;
`f` of the style is its mean over segments, and recordings may be of any length; from zeros 400
steps of 0.02, which get there, not 1000 of 0.001, which cannot; the best step is kept, not the
last; the output has the content's loudness and no peak above 0.95. Their later form, coefficients
of a PCA: `--config.variable=pca --config.pca=WORKDIR/pca.npz --config.init=noise
--config.noise_scale=10 --config.optimiser.learning_rate=1 --config.num_iterations=3000`.
"""

_TEXTURE = TransferConfig(
    init="matched", num_iterations=120, content=ContentWeights(), style=StyleWeights()
)
"""Timbre and texture of the style on the content; every term has its default weight."""

_COMBINED = dataclasses.replace(
    _TEXTURE, init="reorchestrated", content_target="start", num_iterations=60
)
"""The default, and then the style's texture on it, with its notes and instruments held.

`--config.style_weight` goes from the instruments of the default (0) to texture (1.5).
"""

PRESETS = {
    "default": TransferConfig(),
    "combined": _COMBINED,
    "texture": _TEXTURE,
    "ulyanov": _ULYANOV,
    "palaia": _PALAIA,
    "alishdipani": _ALISHDIPANI,
    "multicomp": _MULTICOMP,
}


def get_config(preset: str = "default") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return presets.choose(PRESETS, preset)

"""Style transfer: the default and the published systems as deltas of it.

    python run_transfer.py --content=a.wav --style=b.wav
    python run_transfer.py --config=configs/transfer.py:ulyanov --content=a.wav --style=b.wav
    python run_transfer.py --config.style_weight=3 --config.num_iterations=200

What each key means is written in `research/transfer/config.py` and the dataclasses it names.
"""

from ml_collections import ConfigDict, config_dict


def get_config(preset: str = "default") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; known presets: {', '.join(PRESETS)}")
    return PRESETS[preset]()


def default() -> ConfigDict:
    """The waveform itself, from the content at the style's levels, by L-BFGS.

    Content terms bind pitch and rhythm and leave timbre free; style terms are distributions.
    """
    config = ConfigDict()
    config.seed = 0
    config.sample_rate = 22050
    config.mono = False
    config.rms = config_dict.placeholder(float)
    config.rms = 0.1
    config.keep_rests = True
    config.rest_db = 24.0
    config.dynamics = 1.0
    config.dynamics_seconds = 1.5
    config.style_amount = 1.0
    config.content_weight = 1.0
    config.style_weight = 1.5
    config.content = ConfigDict(
        {"features": 0.0, "spectrogram": 0.0, "harmonic": 2.0, "chroma": 2.0, "onset": 1.0}
    )
    config.style = ConfigDict(
        {
            "gram": 0.0,
            "activations": 0.0,
            "feature_levels": 0.0,
            "bands": 1.0,
            "spectrum": 1.0,
            "patches": 1.0,
            "fast_patches": 1.0,
            "correlation": 0.5,
        }
    )
    config.num_iterations = 120
    config.variable = "waveform"
    config.init = "matched"
    config.noise_scale = 1e-3
    config.stft = ConfigDict(
        {"n_fft": 2048, "hop_length": 512, "window": "hann", "win_length": 0, "center": True}
    )
    config.features = ConfigDict(
        {
            "widths": (11,),
            "num_filters": 1024,
            "nonlinearity": "relu",
            "max_hz": 10000.0,
            "seed": 0,
        }
    )
    config.checkpoint = "shipped"
    config.layers = ()
    config.pca = ""
    config.scale = "root"
    config.gram_divisor = "frames"
    config.optimiser = ConfigDict(
        {
            "name": "lbfgs",
            "learning_rate": 0.01,
            "memory_size": 12,
            "max_linesearch_steps": 20,
            "unrolled": False,
            "log_every": 10,
            "patience": 20,
            "tolerance": 1e-3,
        }
    )
    config.phase = ConfigDict({"start": "phase_gradient", "num_iterations": 100, "momentum": 0.99})
    config.sweep = ConfigDict({"memory_gb": 4.0})
    for key in ("seed", "style_amount", "content_weight", "style_weight"):
        config.sweep[key] = config_dict.placeholder(tuple)
    for group in ("content", "style"):
        config.sweep[group] = {term: config_dict.placeholder(tuple) for term in config[group]}
    return config


def published() -> ConfigDict:
    """What the published systems share: features under random filters and their Gram matrix."""
    config = default()
    config.mono = True
    config.rms = None
    config.keep_rests = False
    config.dynamics = 0.0
    config.style_weight = 1.0
    for weights in (config.content, config.style):
        for name in weights:
            weights[name] = 0.0
    config.content.features = 1.0
    config.style.gram = 1.0
    config.features.num_filters = 4096
    config.features.max_hz = 11025.0
    config.variable = "raw_spectrogram"
    config.init = "noise"
    config.scale = "sum"
    config.phase = ConfigDict({"start": "random", "num_iterations": 500, "momentum": 0.0})
    return config


def ulyanov() -> ConfigDict:
    """Ulyanov & Lebedev 2016, "Audio texture synthesis and style transfer", as published.

    Loss `1e-2 SSE(features) + SSE(Gram)`, 4096 filters of width 11, from noise, L-BFGS, 500 plain
    Griffin-Lim iterations. On its own pair their notebook ends at 565.25 after 322 evaluations,
    this at 562.7 after 258. All frames are used, not the first 430.
    """
    config = published()
    config.content_weight = 1e-2
    config.num_iterations = 250
    config.gram_divisor = "input_frames"
    config.optimiser.memory_size = 30
    config.optimiser.log_every = 5
    return config


def palaia() -> ConfigDict:
    """Palaia 2022-2025, Progetto-Lab-IA: mean squared errors under random filters, made to work.

    `content_weight MSE(F, F_c) + style_weight MSE(G, G_s)`, `G = F F^T / (filters frames)`. Each
    weight enters once (it entered twice, once three times), and nothing is clamped. The Gram's
    divisor makes its error tiny, hence the weight.
    """
    config = ulyanov()
    config.content_weight = 1.0
    config.style_weight = 1e7
    config.init = "content"
    config.features.num_filters = 2048
    config.scale = "mean"
    config.gram_divisor = "frames_filters"
    config.optimiser.patience = 50
    return config


def alishdipani() -> ConfigDict:
    """Dipani 2018, Neural-Style-Transfer-Audio: style alone, linear filters of width 3, Adam.

    Weight 2500, from the content, learning rate 0.03, 2500 steps: some minutes for 10 s of audio on
    two cores. The spectrogram is kept non-negative by construction and not cut at 1, and lengths
    may differ.
    """
    config = ulyanov()
    config.content_weight = 0.0
    config.style_weight = 2500.0
    config.num_iterations = 2500
    config.variable = "spectrogram"
    config.init = "content"
    config.features.widths = (3,)
    config.features.nonlinearity = "none"
    config.scale = "mean"
    config.gram_divisor = "frames_filters"
    config.optimiser.name = "adam"
    config.optimiser.learning_rate = 0.03
    config.optimiser.log_every = 25
    config.optimiser.patience = 0
    return config


def multicomp() -> ConfigDict:
    """Koushik 2017, multicomp-hackathon: through a genre classifier, `--config.checkpoint=WORKDIR`.

    `SSE(S - S_content) + lambda SSE(f(S) - f(S_style))`, `f` the 100 final features of a trained
    `single_channel` network, lambda `style_weight`, Adam, 500 plain Griffin-Lim iterations. Here
    `f` of the style is its mean over segments, and the spectrogram starts at zeros with a step
    that gets there (1000 of 0.001 cannot). Their later form, coefficients of a PCA:
    `--config.variable=pca --config.pca=WORKDIR/pca.npz --config.init=noise --config.noise_scale=10
    --config.optimiser.learning_rate=1 --config.num_iterations=3000`.
    """
    config = published()
    config.content.features = 0.0
    config.content.spectrogram = 1.0
    config.style.gram = 0.0
    config.style.activations = 1.0
    config.style_weight = 100.0
    config.num_iterations = 400
    config.init = "zeros"
    config.stft.n_fft = 512
    config.stft.hop_length = 430
    config.features.num_filters = 0
    config.layers = ("features",)
    config.optimiser.name = "adam"
    config.optimiser.learning_rate = 0.02
    config.optimiser.unrolled = True
    config.optimiser.log_every = 5
    config.optimiser.patience = 0
    return config


PRESETS = {
    "default": default,
    "ulyanov": ulyanov,
    "palaia": palaia,
    "alishdipani": alishdipani,
    "multicomp": multicomp,
}

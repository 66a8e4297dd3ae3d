"""A judge of style transfers that shares no code with what is optimised.

It says how much of a content's notes and rhythm and of a style's timbre and texture is in an
output, against what a plain crossfade of the two has of both, and whether the output is one.

All measures are of mono audio at 22 050 Hz scaled to one loudness, through librosa's features and
random filters of the judge's own.
"""

import dataclasses
import functools
import itertools

import numpy as np

from research.audio.waveform import MIN_SECONDS, Waveform, resample
from research.errors import InputError

SAMPLE_RATE = 22050
CROSSFADES = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)
_RMS = 0.1
_N_FFT, _HOP = 2048, 512
_BINS_PER_OCTAVE, _OCTAVES = 36, 7  # Of the constant-Q transform: from C1 to C8.
_LONGEST_FILTER = 2**16  # Samples of the lowest pitch's; librosa warns of audio that is shorter.
_MELS, _PATCH = 96, 7
_PROJECTIONS, _QUANTILES, _FILTERS = 128, 200, 512
_PROJECTION_SEED, _FILTER_SEED = 20_011, 20_021
_FLOOR = 1e-5  # In power: 70 dB and more below the partials of a loud tone.
_GROUP = 4  # Bins, 43 Hz, that share the gains of an equaliser at most.
_WHITE = float(np.exp(-np.euler_gamma))  # Expected spectral flatness of white noise.
_BROKEN = 0.01  # Share of clipped samples.
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the judge says of an output; all but `above_crossfade` within [0, 1].

    Attributes:
      content_kept: notes and onsets of the content: 1 for the content itself, 0 for the style.
      style_reached: timbre and texture of the style: 0 for the content itself, 1 for the style.
      leak: the style's own notes at the style's own times: 0 for the content, 1 for the style.
      equaliser: share of the output that one fixed equaliser on the content plus one on the style
        explain: 1 for a crossfade, equalised or not, mean of third octaves by amplitude.
      naturalness: 1 for no more noise, clicks and clipping than the worse of the two inputs has; 0
        for white noise, or a hundredth of the samples clipped; a half for a click a second.
      above_crossfade: height over the line of crossfades in points, 1.0 of content and style both
        being 100; negative is below.
      score: `sqrt(content_kept * style_reached) * (1 - leak)`.
      measures: what the above are made of, and signs of damage, by name; see `Judge`.
    """

    content_kept: float
    style_reached: float
    leak: float
    equaliser: float
    naturalness: float
    above_crossfade: float
    score: float
    measures: dict[str, float]


@dataclasses.dataclass(frozen=True)
class _Spectra:
    """Complex spectra of mono audio; linear in it, so those of a crossfade need no transform."""

    stft: np.ndarray  # [bins, frames]
    cqt: np.ndarray  # [pitches, frames]


@dataclasses.dataclass(frozen=True)
class _Features:
    chroma: np.ndarray  # [12, frames]
    cens: np.ndarray  # [12, frames]
    energy: np.ndarray  # [frames]
    onsets: np.ndarray  # [frames]
    mfcc: np.ndarray  # [2 * 19]
    bands: np.ndarray  # [3 * 8], dB
    patches: np.ndarray  # [quantiles, projections]
    gram: np.ndarray  # [filters, filters]
    flatness: float


class Judge:
    """Judges outputs made of one content and one style.

    The content-side and leak measures compare frame by frame, for which the style is cut or
    repeated to the content's length; the style-side ones compare distributions over all frames, of
    the style as it is. Each is normalised linearly between the values that the content and the
    style themselves get, and clipped to [0, 1].

    `Verdict.measures` holds

    - `content_cens`, `content_chroma`: correlation over the 12 pitch classes with the content's
      chroma, smoothed over a second (CENS, Müller et al. 2005) and not, mean of frames by the
      content's energy; `content_onsets`: of the onset strengths. `content_kept` is their mean.
      Correlation, not cosine: the even chroma of a noise has a high cosine with everything.
    - `style_mfcc`: mean and deviation of 19 MFCCs; `style_bands`: mean, deviation and mean step
      from frame to frame of the level in 8 octaves; `style_patches`: sliced Wasserstein distance
      between the sets of log-mel patches of 7 frames; `style_gram`: distance of the correlations of
      random ReLU filters on these. `1 - d(output, style) / d(content, style)` each;
      `style_reached` is their mean.
    - `leak_cens`, `leak_chroma`: correlation with the style's chroma, in excess of its mean over
      all shifts in time; `leak` is the share of their sum. `harmony`: mean cosine with the style's
      chroma, which its key or a noise raises as well as its notes at their times.
    - `equaliser_energy`: the explained share of the energy; `equaliser_bands`: the mean share of
      third octaves, however weak; `equaliser_magnitude`: as `equaliser`, of magnitudes, with gains
      that are not negative (a third to a half of what has nothing to do with either, too, since a
      level that stands still explains that much).
    - `clipped`: share of samples at full scale; `clicks`: isolated jumps a second;
      `clipped_inputs` and `clicks_inputs` the larger of the content's and the style's; `noise`:
      spectral flatness beyond that of the flatter of the two, negative if less. `naturalness` is
      the least of what each leaves of 1.

    Attributes:
      crossfades: the verdicts on `(1 - a) * content + a * style`, for `a` in `CROSSFADES`.
      best_crossfade: the highest of their scores.
    """

    def __init__(self, content: np.ndarray, style: np.ndarray, sample_rate: int):
        """Prepare for outputs of a pair.

        Args:
          content: mono `[samples]`.
          style: mono `[samples]`, of any length.
          sample_rate: of both, and of the outputs, in Hz.

        Raises:
          InputError: audio that is not mono, finite, half a second long and of some loudness.
        """
        self._sample_rate = sample_rate
        given = content, style
        content = _prepare(content, sample_rate, "content")
        style = _prepare(style, sample_rate, "style")
        damages = [_damage(samples, sample_rate) for samples in given]
        self._damage = {name: max(damage[name] for damage in damages) for name in damages[0]}
        self._length = len(content)
        aligned = _scale(np.resize(style, self._length))
        self._content_spectra, self._style_spectra = _analyse(content), _analyse(aligned)
        as_is = self._style_spectra if len(style) == self._length else _analyse(style)
        mel = np.concatenate([_log_mel(_power(s)) for s in (self._content_spectra, as_is)], axis=1)
        self._standard = float(mel.mean()), float(mel.std())
        self._content = self._features(self._content_spectra)
        self._aligned = self._features(self._style_spectra)
        same = as_is is self._style_spectra
        self._style = self._aligned if same else self._features(as_is)
        self._bounds = {
            kind: (measure(self._content), measure(self._aligned))
            for kind, measure in (
                ("content", self._from_content),
                ("leak", self._from_style),
                ("harmony", self._harmony),
            )
        }
        self._distances = _distances(self._content, self._style)
        verdicts = []
        for share in CROSSFADES:
            mixed = (1 - share) * content + share * aligned
            gain = _RMS / max(np.sqrt(np.mean(mixed**2)), _TINY)
            gains = gain * np.array([1 - share, share], np.float32)
            spectra = _Spectra(
                gains[0] * self._content_spectra.stft + gains[1] * self._style_spectra.stft,
                gains[0] * self._content_spectra.cqt + gains[1] * self._style_spectra.cqt,
            )
            verdicts.append(self._judge(spectra, _damage(mixed, SAMPLE_RATE)))
        self._line = np.array([(v.content_kept, v.style_reached) for v in verdicts])
        self.crossfades = tuple(self._placed(verdict) for verdict in verdicts)
        self.best_crossfade = max(verdict.score for verdict in self.crossfades)

    def __call__(self, output: np.ndarray) -> Verdict:
        """The verdict on mono `[samples]`, at the rate of the inputs, cut or padded to the content.

        Raises:
          InputError: audio that is not mono, finite, half a second long and of some loudness.
        """
        samples = _prepare(output, self._sample_rate, "output")
        missing = max(0, self._length - len(samples))
        samples = _scale(np.pad(samples[: self._length], (0, missing)))
        return self._placed(self._judge(_analyse(samples), _damage(output, self._sample_rate)))

    def _placed(self, verdict: Verdict) -> Verdict:
        height = _height(verdict.content_kept, verdict.style_reached, self._line)
        return dataclasses.replace(verdict, above_crossfade=100 * height)

    def _judge(self, spectra: _Spectra, damage: dict[str, float]) -> Verdict:
        """All but the height over the crossfades."""
        features = self._features(spectra)
        bounds = self._bounds
        content = _normalised(self._from_content(features), *reversed(bounds["content"]))
        leaks = _normalised(self._from_style(features), *bounds["leak"])
        likeness = _normalised(self._harmony(features), *bounds["harmony"])
        distances = _distances(features, self._style)
        style = _normalised(distances, self._distances, dict.fromkeys(distances, 0.0))
        equaliser = _equaliser(spectra.stft, self._content_spectra.stft, self._style_spectra.stft)
        noise = features.flatness - max(self._content.flatness, self._style.flatness)
        kept, reached, harmony = (
            float(np.mean(list(group.values()))) for group in (content, style, likeness)
        )
        leak = leaks.pop("both")
        return Verdict(
            content_kept=kept,
            style_reached=reached,
            leak=leak,
            equaliser=equaliser["equaliser"],
            naturalness=self._naturalness(noise, damage),
            above_crossfade=float("nan"),  # Until the line is known.
            score=float(np.sqrt(kept * reached) * (1 - leak)),
            measures={
                **{f"content_{name}": value for name, value in content.items()},
                **{f"style_{name}": value for name, value in style.items()},
                **{f"leak_{name}": value for name, value in leaks.items()},
                "harmony": harmony,
                **{name: value for name, value in equaliser.items() if name != "equaliser"},
                **damage,
                **{f"{name}_inputs": value for name, value in self._damage.items()},
                "noise": noise,
            },
        )

    def _naturalness(self, noise: float, damage: dict[str, float]) -> float:
        excess = {name: max(0.0, value - self._damage[name]) for name, value in damage.items()}
        room = _WHITE - max(self._content.flatness, self._style.flatness)
        return min(
            1 - min(1.0, max(0.0, noise) / max(room, _TINY)),
            1 / (1 + excess["clicks"]),
            1 - min(1.0, excess["clipped"] / _BROKEN),
        )

    def _from_content(self, features: _Features) -> dict[str, float]:
        own = self._content
        return {
            "cens": _cosine(_centred(features.cens), _centred(own.cens), own.energy),
            "chroma": _cosine(_centred(features.chroma), _centred(own.chroma), own.energy),
            "onsets": _correlation(features.onsets, own.onsets),
        }

    def _from_style(self, features: _Features) -> dict[str, float]:
        own = self._aligned
        each = {
            "cens": _together(features.cens, own.cens, own.energy),
            "chroma": _together(features.chroma, own.chroma, own.energy),
        }
        # A sum, not a mean of shares: what a style's harmony hardly moves says little.
        return {**each, "both": sum(each.values())}

    def _harmony(self, features: _Features) -> dict[str, float]:
        own = self._aligned
        return {
            "cens": _cosine(features.cens, own.cens, own.energy),
            "chroma": _cosine(features.chroma, own.chroma, own.energy),
        }

    def _features(self, spectra: _Spectra) -> _Features:
        import librosa

        power = _power(spectra)
        log_mel = _log_mel(power)
        decibels = 10 / np.log(10) * log_mel
        coefficients = librosa.feature.mfcc(S=decibels, n_mfcc=20)[1:]
        mean, deviation = self._standard
        patches = _patches((log_mel - mean) / max(deviation, _TINY))
        responses = np.maximum(patches @ _random(_FILTER_SEED, patches.shape[1], _FILTERS), 0)
        projections = patches @ _random(_PROJECTION_SEED, patches.shape[1], _PROJECTIONS)
        energy = power.sum(axis=0)
        flatness = librosa.feature.spectral_flatness(S=np.sqrt(power))[0]
        return _Features(
            chroma=librosa.feature.chroma_stft(S=power, sr=SAMPLE_RATE, tuning=0.0),
            cens=librosa.feature.chroma_cens(
                C=np.abs(spectra.cqt),
                sr=SAMPLE_RATE,
                hop_length=_HOP,
                tuning=0.0,
                bins_per_octave=_BINS_PER_OCTAVE,
                n_octaves=_OCTAVES,
            ),
            energy=energy,
            onsets=librosa.onset.onset_strength(S=decibels, sr=SAMPLE_RATE),
            mfcc=np.concatenate([coefficients.mean(axis=1), coefficients.std(axis=1)]),
            bands=_band_statistics(power),
            patches=_quantiles(projections),
            gram=responses.T @ responses / len(responses),
            flatness=float(flatness[energy >= 1e-3 * energy.mean()].mean()),
        )


def _prepare(samples: np.ndarray, sample_rate: int, name: str) -> np.ndarray:
    """Mono `[samples]` at the judge's rate and loudness."""
    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1:
        raise InputError(f"{name} has shape {samples.shape}; the judge takes mono [samples]")
    if not np.isfinite(samples).all():
        raise InputError(f"{name} holds samples that are NaN or infinite")
    if len(samples) < MIN_SECONDS * sample_rate:
        raise InputError(f"{name} lasts less than {MIN_SECONDS} s")
    if not samples.any():
        raise InputError(f"{name} is digital silence")
    return _scale(resample(Waveform(samples[None], sample_rate), SAMPLE_RATE).samples[0])


def _scale(samples: np.ndarray) -> np.ndarray:
    level = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    return (samples * (_RMS / max(level, _TINY))).astype(np.float32)


def _analyse(samples: np.ndarray) -> _Spectra:
    import librosa

    spectrum = librosa.stft(samples, n_fft=_N_FFT, hop_length=_HOP)
    pitches = librosa.cqt(
        np.pad(samples, (0, max(0, _LONGEST_FILTER - len(samples)))),
        sr=SAMPLE_RATE,
        hop_length=_HOP,
        tuning=0.0,
        n_bins=_OCTAVES * _BINS_PER_OCTAVE,
        bins_per_octave=_BINS_PER_OCTAVE,
    )
    return _Spectra(spectrum, pitches[:, : spectrum.shape[1]])


def _power(spectra: _Spectra) -> np.ndarray:
    return spectra.stft.real**2 + spectra.stft.imag**2


def _log_mel(power: np.ndarray) -> np.ndarray:
    """Natural logarithm of `[bins, frames]` power in mel bands `[96, frames]`."""
    return np.log(_mel_filters() @ power + _FLOOR)


@functools.cache
def _mel_filters():
    """Mel bands `[96, bins]`, sparse."""
    import librosa
    from scipy import sparse

    return sparse.csr_array(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=_N_FFT, n_mels=_MELS))


@functools.cache
def _random(seed: int, size: int, number: int) -> np.ndarray:
    """Fixed Gaussian filters `[size, number]` of unit expected norm."""
    draw = np.random.default_rng(seed).standard_normal((size, number))
    return (draw / np.sqrt(size)).astype(np.float32)


def _patches(log_mel: np.ndarray) -> np.ndarray:
    """All runs of 7 frames of `[bands, frames]`, flat: `[frames - 6, 7 * bands]`."""
    windows = np.lib.stride_tricks.sliding_window_view(log_mel, _PATCH, axis=1)
    return windows.transpose(1, 2, 0).reshape(windows.shape[1], -1).astype(np.float32)


def _quantiles(values: np.ndarray) -> np.ndarray:
    """200 even quantiles of each column, interpolated: `[number, columns]` to `[200, columns]`."""
    ranked = np.sort(values, axis=0)
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES * (len(ranked) - 1)
    below = places.astype(int)
    share = (places - below)[:, None]
    above = np.minimum(below + 1, len(ranked) - 1)
    return (1 - share) * ranked[below] + share * ranked[above]


def _band_statistics(power: np.ndarray) -> np.ndarray:
    """Mean, deviation and mean absolute step in time of the levels of 8 octaves, `[24]` dB.

    The octaves end at the Nyquist frequency, the lowest begins at 43 Hz.
    """
    edges = np.round(_N_FFT / 2 / 2.0 ** np.arange(8, -1, -1)).astype(int)
    sums = np.add.reduceat(power[: edges[-1]], edges[:-1], axis=0)
    # A window's energy is 3/8 of its length: to mean square, with a floor at -80 dB of full scale.
    levels = 10 * np.log10(sums * 2 / (0.375 * _N_FFT**2) + 1e-8)
    steps = np.abs(np.diff(levels, axis=1)).mean(axis=1)
    return np.concatenate([levels.mean(axis=1), levels.std(axis=1), steps])


def _distances(one: _Features, other: _Features) -> dict[str, float]:
    return {
        name: float(np.linalg.norm(getattr(one, name) - getattr(other, name)))
        for name in ("mfcc", "bands", "patches", "gram")
    }


def _normalised(
    values: dict[str, float], zeros: dict[str, float], ones: dict[str, float]
) -> dict[str, float]:
    """Values on the line through 0 and 1, clipped; where these two are the same, 1 if there."""
    result = {}
    for name, value in values.items():
        span = ones[name] - zeros[name]
        if abs(span) > 1e-6:
            share = (value - zeros[name]) / span
        else:
            share = float(abs(value - ones[name]) <= 1e-6)
        result[name] = max(0.0, min(share, 1.0))
    return result


def _unit(columns: np.ndarray) -> np.ndarray:
    return columns / np.maximum(np.linalg.norm(columns, axis=0), _TINY)


def _centred(chroma: np.ndarray) -> np.ndarray:
    """`[12, frames]` less the mean of each frame: of even chroma, as a noise has, nothing."""
    return chroma - chroma.mean(axis=0)


def _cosine(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """Mean over frames, by weight, of the cosine of `[12, frames]`."""
    return float(np.average((_unit(one) * _unit(other)).sum(axis=0), weights=weights))


def _together(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """Cosine of centred chroma at the same time, less its mean over all other alignments.

    The mean over all circular shifts of `other` is a product of means, so that it comes to taking
    the mean over time from `one`.
    """
    one, other = _unit(_centred(one)), _unit(_centred(other))
    moving = one - one.mean(axis=1, keepdims=True)
    return float(np.average((moving * other).sum(axis=0), weights=weights))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), _TINY))


def _third_octaves(num_bins: int) -> np.ndarray:
    """First bins of bands a third of an octave wide but 3 bins at least, and the end.

    From bin 1 to the end; the bin at 0 Hz is left out.
    """
    edges = [1]
    while edges[-1] < num_bins:
        edges.append(max(edges[-1] + 3, round(edges[-1] * 2 ** (1 / 3))))
    if len(edges) > 2 and edges[-1] > num_bins:
        edges.pop()  # The last band is the wider for it.
        edges[-1] = num_bins
    return np.array(edges)


def _equaliser(output: np.ndarray, content: np.ndarray, style: np.ndarray) -> dict[str, float]:
    """Shares of an output that `a[k] content[k, t] + b[k] style[k, t]` explain.

    Least squares over all frames, `a` and `b` complex and shared by up to 8 neighbouring bins (3 at
    the lowest), so that there are hundreds of values to fit for each and a delay of a millisecond
    is still an equaliser. A share is one minus residual energy over energy.

    `equaliser` is the mean of third octaves weighted by their amplitude, the square root of their
    energy: the energy alone is the bass, and equal weights give a hiss as much as the tune.

    Args:
      output: complex spectrogram `[bins, frames]`.
      content: the same.
      style: the same.
    """
    thirds = _third_octaves(len(output))
    pieces = [
        np.linspace(start, stop, -(-(stop - start) // _GROUP), endpoint=False).astype(int)
        for start, stop in itertools.pairwise(thirds)
    ]
    first = np.cumsum([0] + [len(piece) for piece in pieces[:-1]])  # Piece of each third octave.
    starts = np.concatenate(pieces)
    spectra = output, content, style
    products = _products(*spectra, starts)
    magnitudes = _products(*(np.abs(spectrum) for spectrum in spectra), starts)
    energy, explained, of_magnitudes = (
        np.add.reduceat(values, first)
        for values in (products[0], _explained(*products), _explained_not_negative(*magnitudes))
    )
    energy = energy + _TINY
    shares, magnitude_shares = (
        np.clip(part / energy, 0.0, 1.0) for part in (explained, of_magnitudes)
    )
    heard = energy > 1e-8 * energy.sum()
    weights = np.sqrt(energy)
    return {
        "equaliser": float(np.average(shares, weights=weights)),
        "equaliser_energy": float(np.average(shares, weights=energy)),
        "equaliser_bands": float(shares[heard].mean()),
        "equaliser_magnitude": float(np.average(magnitude_shares, weights=weights)),
    }


def _products(
    output: np.ndarray, content: np.ndarray, style: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Inner products `oo, cc, ss, cs, co, so` of `[bins, frames]` over groups of bins `[groups]`.

    A group ends where the next one starts.
    """

    def inner(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        by_bin = (one.conj() * other).sum(axis=1, dtype=np.result_type(one, np.float64))
        return np.add.reduceat(by_bin, starts)

    energies = (inner(part, part).real for part in (output, content, style))
    pairs = ((content, style), (content, output), (style, output))
    return *energies, *(inner(*pair) for pair in pairs)


def _explained(
    oo: np.ndarray,
    cc: np.ndarray,
    ss: np.ndarray,
    cs: np.ndarray,
    co: np.ndarray,
    so: np.ndarray,
) -> np.ndarray:
    """Energy of `o` that the best multiples of `c` and `s` explain, from inner products."""
    determinant = cc * ss - np.abs(cs) ** 2
    of_both = (co.conj() * (ss * co - cs * so) + so.conj() * (cc * so - cs.conj() * co)).real
    alone = _explained_alone(cc, ss, np.abs(co), np.abs(so))
    apart = determinant > 1e-6 * cc * ss  # Else one is but a multiple of the other.
    both = of_both / np.where(apart, determinant, 1.0)
    return np.minimum(np.where(apart, both, alone), oo)


def _explained_not_negative(
    oo: np.ndarray,
    cc: np.ndarray,
    ss: np.ndarray,
    cs: np.ndarray,
    co: np.ndarray,
    so: np.ndarray,
) -> np.ndarray:
    """The same for real multiples, none of them negative."""
    apart = cc * ss - cs**2 > 1e-6 * cc * ss
    inside = apart & (ss * co >= cs * so) & (cc * so >= cs * co)
    alone = _explained_alone(cc, ss, np.maximum(co, 0), np.maximum(so, 0))
    return np.where(inside, _explained(oo, cc, ss, cs, co, so), alone)


def _explained_alone(cc: np.ndarray, ss: np.ndarray, co: np.ndarray, so: np.ndarray) -> np.ndarray:
    return np.maximum(co**2 / np.maximum(cc, _TINY), so**2 / np.maximum(ss, _TINY))


def _height(kept: float, reached: float, line: np.ndarray) -> float:
    """The `t` at which `(kept - t, reached - t)` is on a line `[points, 2]`, the least if several.

    Beyond the ends, the line goes on along the other diagonal.
    """
    across, along = line[:, 0] - line[:, 1], line.mean(axis=1)
    at = np.clip(kept - reached, across.min(), across.max())
    heights = []
    for i in range(len(line) - 1):
        low, high = sorted((across[i], across[i + 1]))
        if low <= at <= high:
            share = (at - across[i]) / (across[i + 1] - across[i]) if high > low else 0.0
            heights.append(along[i] + share * (along[i + 1] - along[i]))
    return float((kept + reached) / 2 - max(heights))


def _damage(samples: np.ndarray, sample_rate: int) -> dict[str, float]:
    """Signs of damage in mono `[samples]` at their own rate and level."""
    return {
        "clipped": float(np.mean(np.abs(samples) >= 0.999)),
        "clicks": _clicks(samples, sample_rate),
    }


def _clicks(samples: np.ndarray, sample_rate: int) -> float:
    """Isolated jumps a second: differences of samples 4 times what those around them reach.

    That is the ninth decile of absolute differences within 3 ms on either side; jumps within a
    millisecond are one. Isolated is 30 ms from the next, so that the pulses of a buzzing tone are
    none. What a loud hiss hides goes unseen.
    """
    from scipy import ndimage

    jumps = np.abs(np.diff(np.asarray(samples, np.float64)))
    half = int(0.003 * sample_rate)
    loudness = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    # The highest of its surroundings is 3 times their mean if 4 times nine tenths of them.
    mean = ndimage.uniform_filter1d(jumps, 2 * half + 1)
    places = np.flatnonzero(jumps > np.maximum(3 * mean, 0.01 * loudness))
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(jumps, half, "symmetric"), 2 * half + 1
    )
    deciles = np.sort(around[places], axis=1)[:, int(0.9 * (2 * half + 1))]
    places = places[jumps[places] > 4 * deciles + 0.01 * loudness] / sample_rate
    starts = places[np.diff(places, prepend=-1.0) > 0.001]
    gaps = np.diff(starts, prepend=-1.0, append=np.inf)
    isolated = np.minimum(gaps[:-1], gaps[1:]) > 0.03
    return float(np.count_nonzero(isolated) / (len(samples) / sample_rate))

"""How close an output comes to the known truth."""

import dataclasses

import numpy as np

from research.audio.waveform import fit_length
from research.benchmarks.known_truth.equalisers import equalise_levels
from research.benchmarks.known_truth.note_detector import find_notes
from research.benchmarks.known_truth.render import RMS, SAMPLE_RATE
from research.errors import InputError
from research.programs import load_librosa

_MELS, _FLOOR_DB = 80, 60.0
_ONSET_SECONDS = 0.15  # Soft attacks are found late even in the truth itself.
_SILENCE = 1e-6
_LEAST_F1 = 0.05
_TINY = 1e-9


@dataclasses.dataclass(frozen=True)
class Closeness:
    """Measures of one output.

    Attributes:
      lsd: log-spectral distance to the truth in dB: RMS over 80 mel bands, at least 60 dB under the
        truth's loudest, mean over frames.
      mfcc: Euclidean distance of MFCCs 1 to 19 of the same levels, mean over frames.
      f1: of notes found, against the score: same pitch, starts within 150 ms.
      closer: `1 - lsd / lsd(content)`. The content itself has 0, the truth 1.
      timbre: the same for `mfcc`.
      beyond_eq: the same for `lsd` and the content through the fixed equaliser that knows the
        truth's mean levels: no fixed equaliser is far above 0.
      notes150: `f1 / f1(truth)`.
      TRUTH: geometric mean of `closer`, `timbre` and `notes150`, each cut to 0 to 1.
    """

    lsd: float
    mfcc: float
    f1: float
    closer: float
    timbre: float
    beyond_eq: float
    notes150: float
    TRUTH: float


class Ruler:
    """Measures outputs of one triple. Nothing is aligned.

    Args:
      content: mono `[samples]` at 22 050 Hz.
      truth: the same.
      notes: of the truth's score: start and end in seconds and MIDI pitch, `[notes, 3]`.

    Raises:
      InputError: audio is not mono or not finite, or content and truth sound the same.
    """

    def __init__(self, content: np.ndarray, truth: np.ndarray, notes: np.ndarray):
        self._length, self._notes = len(truth), notes
        content, truth = self._prepare(content, "content"), self._prepare(truth, "truth")
        self._truth, levels = _levels(truth), _levels(content)
        self._content_lsd = log_spectral_distance(levels, self._truth)
        self._content_mfcc = mfcc_distance(levels, self._truth)
        if not self._content_lsd or not self._content_mfcc:
            raise InputError(
                "content and truth sound the same, so nothing can be closer; give another triple"
            )
        equalised = self._prepare(equalise_levels(content, truth), "equalised content")
        self._equaliser_lsd = max(log_spectral_distance(_levels(equalised), self._truth), _TINY)
        self._truth_f1 = self._f1(truth)

    def __call__(self, output: np.ndarray) -> Closeness:
        """Measures of an output, mono `[samples]` at 22 050 Hz, cut or padded to the truth.

        Raises:
          InputError: it is not mono or not finite.
        """
        samples = self._prepare(output, "output")
        levels = _levels(samples)
        lsd = log_spectral_distance(levels, self._truth)
        mfcc = mfcc_distance(levels, self._truth)
        f1 = self._f1(samples)
        closer, timbre = 1 - lsd / self._content_lsd, 1 - mfcc / self._content_mfcc
        notes = f1 / max(self._truth_f1, _LEAST_F1)
        return Closeness(
            lsd=lsd,
            mfcc=mfcc,
            f1=f1,
            closer=closer,
            timbre=timbre,
            beyond_eq=1 - lsd / self._equaliser_lsd,
            notes150=notes,
            TRUTH=float(np.prod(np.clip([closer, timbre, notes], 0, 1)) ** (1 / 3)),
        )

    def _f1(self, samples: np.ndarray) -> float:
        return note_f1(self._notes, find_notes(samples, SAMPLE_RATE))

    def _prepare(self, samples: np.ndarray, name: str) -> np.ndarray:
        """Samples as long as the truth, at an RMS level of 0.1."""
        samples = np.asarray(samples, np.float64)
        if samples.ndim != 1:
            raise InputError(f"{name} has shape {samples.shape}; give mono [samples]")
        if not np.isfinite(samples).all():
            raise InputError(f"{name} holds samples that are NaN or infinite")
        samples = fit_length(samples[None], self._length)[0]
        level = np.sqrt(np.mean(samples**2))
        return (samples * (RMS / level if level > _SILENCE else 1.0)).astype(np.float32)


def log_spectral_distance(levels: np.ndarray, truth: np.ndarray) -> float:
    """RMS difference over bands, mean over frames, in dB.

    Args:
      levels: dB, `[mels, frames]`.
      truth: the same. Both are at least 60 dB under its largest value.
    """
    ours, theirs = _with_floor(levels, truth)
    return float(np.sqrt(((ours - theirs) ** 2).mean(axis=0)).mean())


def mfcc_distance(levels: np.ndarray, truth: np.ndarray) -> float:
    """Euclidean distance of MFCCs 1 to 19, mean over frames; arguments as above."""
    librosa = load_librosa()
    ours, theirs = (
        librosa.feature.mfcc(S=each, n_mfcc=20)[1:] for each in _with_floor(levels, truth)
    )
    return float(np.linalg.norm(ours - theirs, axis=0).mean())


def note_f1(notes: np.ndarray, found: np.ndarray) -> float:
    """F1 of notes found: same pitch, starts within 150 ms, each note matched once.

    Args:
      notes: of the score: start and end in seconds and MIDI pitch, `[notes, 3]`.
      found: the same, of the detector.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    if not len(notes) or not len(found):
        return 0.0
    early = np.abs(notes[:, None, 0] - found[None, :, 0]) <= _ONSET_SECONDS
    same = np.abs(notes[:, None, 2] - found[None, :, 2]) < 0.5
    matches = csgraph.maximum_bipartite_matching(sparse.csr_matrix(early & same))
    return float(2 * np.count_nonzero(matches >= 0) / (len(notes) + len(found)))


def _levels(samples: np.ndarray) -> np.ndarray:
    """Levels of 80 mel bands in dB, `[mels, frames]`."""
    librosa = load_librosa()
    power = librosa.feature.melspectrogram(
        y=samples, sr=SAMPLE_RATE, n_fft=2048, hop_length=512, n_mels=_MELS, fmin=20.0
    )
    return 10 * np.log10(power + 1e-10)


def _with_floor(levels: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    floor = truth.max() - _FLOOR_DB
    return np.maximum(levels, floor), np.maximum(truth, floor)

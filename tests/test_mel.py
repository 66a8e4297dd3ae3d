"""Log-mel frames of audio against librosa, and against the images that they imitate."""

import math

import librosa
import numpy as np
import pytest
from conftest import ROOT

from research.audio.waveform import Waveform, load_waveform
from research.data.front_ends.images import ImageConfig
from research.data.front_ends.mel import MelConfig
from research.errors import InputError

GTZAN = ROOT.parent / "shared" / "data" / "gtzan"


def by_librosa(samples: np.ndarray) -> np.ndarray:
    """Decibels under the loudest of 128 bands, cut at 40, as 0 to 1, `[frames, bands]`."""
    power = librosa.feature.melspectrogram(
        y=samples.astype(np.float64),
        sr=22050,
        n_fft=2048,
        hop_length=512,
        n_mels=128,
        pad_mode="constant",
    )
    decibels = librosa.power_to_db(power, ref=np.max, amin=1e-30, top_db=None)
    decibels = decibels[:, [int(3.862 * j) for j in range(math.ceil(decibels.shape[1] / 3.862))]]
    return np.clip(1 + decibels / 40, 0, 1).T


@pytest.mark.parametrize("gain", [1.0, 1e-4])
def test_frames_equal_librosas_however_loud(chord, gain):
    found = MelConfig().frames(Waveform(gain * chord[None], 22050))
    assert found.dtype == np.float16
    assert found.shape == (math.ceil((1 + chord.size // 512) / 3.862), 128)
    np.testing.assert_allclose(found, by_librosa(chord), atol=1e-3)


def test_blocks_of_long_audio_join(chord):
    samples = np.tile(chord, 25)  # 276 frames: two blocks.
    found = MelConfig().frames(Waveform(samples[None], 22050))
    np.testing.assert_allclose(found, by_librosa(samples), atol=1e-3)


def test_channels_are_mixed_and_rates_matched(chord):
    stereo = np.stack([2 * chord, np.zeros_like(chord)])
    mono = MelConfig().frames(Waveform(chord[None], 22050))
    np.testing.assert_array_equal(MelConfig().frames(Waveform(stereo, 22050)), mono)
    doubled = librosa.resample(chord, orig_sr=22050, target_sr=44100)
    found = MelConfig().frames(Waveform(doubled[None], 44100))
    # Bands under 10 kHz, where the two resamplers agree.
    np.testing.assert_allclose(found[:, :115], mono[:, :115], atol=0.02)


def test_silence_is_0_and_the_loudest_point_about_1(chord):
    assert not MelConfig().frames(Waveform(np.zeros((1, 9000), np.float32), 22050)).any()
    # The loudest frame may be one of those between.
    assert 0.95 < MelConfig().frames(Waveform(chord[None], 22050)).max() <= 1


def test_what_is_far_too_loud_is_told(chord):
    with pytest.raises(InputError, match="far above full scale"):
        MelConfig().frames(Waveform(1e25 * chord[None], 22050))


@pytest.mark.parametrize("config", [MelConfig(), ImageConfig()], ids=lambda one: one.name)
def test_louder_frames_are_those_of_louder_sound(config, chord):
    frames = np.float32([0.0, 0.1, 0.5, 0.9])
    np.testing.assert_allclose(config.amplify(frames, 8.0), [0, 0.3, 0.7, 1], atol=1e-6)
    np.testing.assert_allclose(config.amplify(frames, -8.0), [0, 0, 0.3, 0.7], atol=1e-6)
    assert config.num_frames(11.5) == 128


def test_frames_of_audio_are_those_of_the_published_images():
    pairs = []
    for image in sorted((GTZAN / "images_original").rglob("*.png")):
        name = f"{image.stem[:-5]}.{image.stem[-5:]}"
        pairs += [(image, file) for file in GTZAN.glob(f"genres_original/*/{name}.*")]
    if not pairs:
        pytest.skip("there are no images of tracks here")
    far, correlations, details = [], [], []
    for image, file in pairs[:8]:
        # The images begin with the third frame.
        frames = MelConfig().frames(load_waveform(file))[2:334].astype(np.float64)
        shown = ImageConfig().decode(image)[1]().astype(np.float64)[: len(frames)]
        # Bands up to 8 kHz: some tracks are here as Ogg, which leaves out what is above.
        frames, shown = frames[:, :110], shown[:, :110]
        far.append(abs(frames.mean() - shown.mean()))
        profiles = [part.mean(0) for part in (frames, shown)]
        correlations.append(np.corrcoef(profiles)[0, 1])
        parts = zip((frames, shown), profiles, strict=True)
        details.append(np.corrcoef([(part - mean).ravel() for part, mean in parts])[0, 1])
    assert np.max(far) < 0.01
    assert np.min(correlations) > 0.999
    # Each frame shows its moment: one frame earlier or later, it is 0.1 to 0.6.
    assert np.min(details) > 0.99

"""Music that is made to train the network for notes, and its training."""

import jax
import numpy as np
import pytest
import scipy.signal

from research.arrays import load_arrays
from research.errors import InputError
from research.shipped.note_network import fit, instruments, mixtures, music
from research.shipped.note_network.instruments import Instrument, Notes, soundfont_digests
from research.shipped.note_network.music import Note, Voice
from research.training.checkpoints import Checkpoints
from research.transfer.reorchestration.grid import PITCHES
from research.workdir import claim

RATE = 22050


@pytest.fixture(autouse=True)
def sines(monkeypatch):
    """Instruments of sine waves, and drums of noise, in place of soundfonts."""
    pitches = np.arange(28, 101, 4)
    time = np.arange(int(3.7 * RATE)) / RATE
    tones = np.sin(2 * np.pi * 440 * 2 ** ((pitches[:, None] - 69) / 12) * time)
    noise = np.random.default_rng(0).normal(size=(len(pitches), len(time))) * np.exp(-20 * time)

    def load_notes(instrument: Instrument, folder) -> Notes:
        samples = noise if instrument.is_drums else tones
        return Notes(samples.astype(np.float32), pitches, np.full(len(pitches), 80))

    monkeypatch.setattr(mixtures, "load_notes", load_notes)


@pytest.mark.parametrize("seed", range(12))
def test_pieces_are_music(seed):
    voices = music.write_piece(np.random.default_rng(seed), 6.0, ["one.sf2", "two.sf2"])
    again = music.write_piece(np.random.default_rng(seed), 6.0, ["one.sf2", "two.sf2"])
    assert voices == again
    notes = [note for voice in voices if not voice.instrument.is_drums for note in voice.notes]
    assert notes and all(28 <= note.pitch <= 100 for note in notes)
    assert all(0 <= note.start < 9 and note.seconds > 0 for note in notes)
    for voice in voices:
        programs = [program for family, _ in instruments.FAMILIES for program in family]
        known = instruments.KITS if voice.instrument.is_drums else (*programs, *range(32, 40))
        assert voice.instrument.program in known
        assert voice.instrument.soundfont in ("one.sf2", "two.sf2")


def test_pieces_differ():
    pieces = [music.write_piece(np.random.default_rng(seed), 6.0, ["a"]) for seed in range(60)]
    num_voices = {len(piece) for piece in pieces}
    assert {1, 2, 3, 4} <= num_voices
    with_drums = sum(any(voice.instrument.is_drums for voice in piece) for piece in pieces)
    assert 5 < with_drums < 40


def test_amplitudes_are_those_of_the_notes(tmp_path):
    """Of a note alone, the root of the sum over all bins of an STFT, by Parseval's theorem."""
    voice = Voice(Instrument("a.sf2", 0), [Note(1.0, 1.5, 60, 80.0), Note(3.0, 0.5, 67, 80.0)])
    generator = np.random.default_rng(0)
    samples, energies = mixtures._play_voice(voice, generator, tmp_path)
    found = np.sqrt(mixtures._under_windows(energies))
    window = scipy.signal.get_window("hann", 2048)
    padded = np.pad(samples, 1024)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2048)[::512][: len(found)]
    wanted = np.linalg.norm(frames * window, axis=1)
    heard = np.linalg.norm(found, axis=1)
    np.testing.assert_allclose(heard, wanted, atol=0.02 * wanted.max())
    sounding = found.max(axis=0) > 0.01 * found.max()
    assert PITCHES[np.flatnonzero(sounding)].tolist() == [60, 67]


def test_distortion_and_rooms_change_the_energy_as_they_change_the_sound():
    generator = np.random.default_rng(0)
    samples = 0.1 * np.sin(2 * np.pi * 220 * np.arange(mixtures._LENGTH) / RATE)
    samples[50_000:] = 0
    samples = samples.astype(np.float32)
    energies = np.square(samples).reshape(1, -1, mixtures._HOP).sum(axis=2)
    for change in (
        lambda: mixtures._distort(samples, energies, 6.0),
        lambda: mixtures._reverberate(samples, energies, generator),
    ):
        changed, energy = change()
        heard = np.square(changed).reshape(-1, mixtures._HOP).sum(axis=1)
        # Over tenths of a second: a reverberation is random.
        blocks = [values[: 48 * 20].reshape(20, 48).sum(axis=1) for values in (heard, energy[0])]
        loud = blocks[0] > 0.01 * blocks[0].max()
        difference = 10 * np.log10(blocks[1][loud] / blocks[0][loud])
        assert np.abs(difference).max() < 3


def test_a_mixture_has_the_shape_of_a_spectrum_and_its_notes(tmp_path):
    one, again = (mixtures.make_mixture(3, ["a.sf2"], tmp_path) for _ in range(2))
    assert one.spectrum.shape[0] == one.amplitudes.shape[0] == mixtures.NUM_FRAMES
    assert one.amplitudes.shape[1] == len(PITCHES) + 1
    assert np.isfinite(one.spectrum).all() and np.isfinite(one.amplitudes).all()
    assert one.amplitudes.max() > 0
    np.testing.assert_array_equal(one.spectrum, again.spectrum)


def test_pieces_are_kept_as_they_are_made(monkeypatch, tmp_path):
    monkeypatch.setattr(mixtures, "PIECES_OF_FILE", 2)
    mixtures.make_file(["a.sf2"], tmp_path, tmp_path / "4.npz")
    arrays = load_arrays(tmp_path / "4.npz", "pieces", "")
    found = list(map(mixtures.Mixture, *(arrays[name] for name in mixtures.Mixture._fields)))
    assert len(found) == 2
    for one, seed in zip(found, (4, 5), strict=True):
        for values, wanted in zip(
            one, mixtures.make_mixture(seed, ["a.sf2"], tmp_path), strict=True
        ):
            np.testing.assert_array_equal(values, wanted)


def test_a_training_lowers_the_loss_and_goes_on_where_it_was_killed(monkeypatch, tmp_path):
    for name, value in {"_KEPT_STEPS": 2, "_BATCH": 2, "_FRAMES": 32}.items():
        monkeypatch.setattr(fit, name, value)
    made = [mixtures.make_mixture(seed, ["a.sf2"], tmp_path) for seed in range(3)]
    losses, others = {}, {}

    def killed(step: int, loss: float) -> None:
        others[step] = loss
        if step == 5:
            raise KeyboardInterrupt

    with Checkpoints(tmp_path / "unbroken") as checkpoints:
        parameters = fit.fit(made, 6, 0, losses.__setitem__, checkpoints)
    with pytest.raises(KeyboardInterrupt), Checkpoints(tmp_path / "broken") as checkpoints:
        fit.fit(made, 6, 0, killed, checkpoints)
    with Checkpoints(tmp_path / "broken") as checkpoints:
        after: list[int] = []
        again = fit.fit(made, 6, 0, lambda step, _: after.append(step), checkpoints)
    assert after == [5, 6]
    assert others.items() <= losses.items() and losses[6] < 0.7 * losses[1]
    for one, other in zip(jax.tree.leaves(parameters), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    accuracy = fit.measure(parameters, made)
    assert 0 <= accuracy.f1 <= 1 and 0 < accuracy.level_error < 60


def test_the_measure_is_perfect_for_what_it_compares_with(monkeypatch, tmp_path):
    made = [mixtures.make_mixture(seed, ["a.sf2"], tmp_path) for seed in range(2)]
    wanted = iter([fit._batch([one], slice(None), fit.NoteConfig())[1] for one in made])

    class Perfect:
        def __call__(self, levels, tuning):
            return next(wanted)

    monkeypatch.setattr(fit, "network_with", lambda parameters: Perfect())
    monkeypatch.setattr(fit.jax, "jit", lambda function: function)
    accuracy = fit.measure({}, made)
    assert accuracy.f1 == 1 and accuracy.level_error == accuracy.percussion_error == 0


def test_what_is_missing_is_one_line(run_script, tmp_path):
    """The command ends before it does anything if there is no fluidsynth."""
    done = run_script(
        "research.shipped.note_network",
        f"--workdir={tmp_path / 'work'}",
        f"--soundfonts={tmp_path / 'none.sf2'}",
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("note_network: rendering needs ")
    assert "none.sf2" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "work").exists()


def test_pieces_of_other_soundfonts_are_not_used_again(tmp_path):
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
        (folder / "font.sf2").write_text(folder.name)
    one, other = (str(folder / "font.sf2") for folder in folders)
    workdir = tmp_path / "work"
    workdir.mkdir()
    claim(workdir / "soundfonts.json", soundfont_digests([one]), binding=True)
    claim(workdir / "soundfonts.json", soundfont_digests([one]), binding=True)
    with pytest.raises(InputError, match=r"holds another run: font is .* another --workdir"):
        claim(workdir / "soundfonts.json", soundfont_digests([other]), binding=True)
    with pytest.raises(InputError, match=r"--soundfonts names two files font\.sf2; rename one"):
        soundfont_digests([one, other])


def test_pieces_of_another_version_are_not_used_again(monkeypatch, tmp_path):
    before = mixtures.source_digests()
    assert {"instruments", "music", "mixtures", "grid", "spectrum"} == before.keys()
    claim(tmp_path / "sources.json", before, binding=True)
    (tmp_path / "music.py").write_text("changed")
    monkeypatch.setattr(music, "__file__", str(tmp_path / "music.py"))
    with pytest.raises(InputError, match=r"holds another run: music is .* another --workdir"):
        claim(tmp_path / "sources.json", mixtures.source_digests(), binding=True)

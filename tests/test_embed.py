"""Maps of tracks in the features of a network: points, figures, and the script."""

import csv
import dataclasses
import json
import pathlib

import jax
import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure

from configs import single_channel
from research.audio.waveform import Waveform, load_waveform
from research.errors import InputError
from research.models.network import Network
from research.report.feature_map import Point, draw_points, save_points
from research.settings import freeze
from research.training import embed, experiment
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.embed import Embedding
from research.training.loop import StepConfig, start_state, to_saved
from research.training.run import Run
from research.transfer.recordings import load_recordings

RATE = 8000
PITCHES = {"high": 2000.0, "low": 200.0, "middle": 700.0}
NUM_TRACKS = 12


def tone(pitch: float, seed: int, seconds: float = 1.2) -> np.ndarray:
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.sin(2 * np.pi * pitch * random.uniform(0.9, 1.1) * time)
    return (0.3 * wave + 0.02 * random.standard_normal(time.size)).astype(np.float32)


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """A run that trained for no step, its collection, its fit and its network."""
    folder = tmp_path_factory.mktemp("embed")
    for genre, pitch in PITCHES.items():
        (folder / "tones" / genre).mkdir(parents=True)
        for i in range(NUM_TRACKS // len(PITCHES)):
            soundfile.write(folder / "tones" / genre / f"{i}.wav", tone(pitch, i), RATE)
    chosen = single_channel.get_config("smoke")
    chosen.data.update(
        root=str(folder / "tones"),
        cache=str(folder / "cache"),
        test_share=0.25,
        validation_share=0.33,
    )
    chosen.spectrogram.sample_rate = RATE
    chosen.spectrogram.stft.update(n_fft=256, hop_length=128)
    chosen.segments.seconds = 0.5
    chosen.batch_size = 4
    chosen.model.update(num_filters=(2, 3), width=3, num_features=7)
    config = freeze(TrainConfig, chosen)
    collection, cache = experiment.load_data(config, lambda *_: None)
    (fit,) = experiment.plan(config, collection, cache)
    manifest = experiment.manifest(collection, [fit])
    workdir = folder / "work"
    (workdir / "checkpoints").mkdir(parents=True)
    (workdir / "config.json").write_text(chosen.to_json())
    (workdir / "data.json").write_text(json.dumps(manifest))
    network = Network.init(config.model, fit.reader.shape, len(PITCHES), seed=0)
    with Checkpoints(workdir / "checkpoints" / "seed_0") as checkpoints:
        checkpoints.save(1, to_saved(start_state(network, StepConfig.of(config))), 0.5, [])
    return Run.load(workdir), collection, fit, network


@pytest.fixture
def transfer(tmp_path) -> pathlib.Path:
    """What run_transfer.py leaves, as far as it is read."""
    folder = tmp_path / "transfer"
    folder.mkdir()
    for name, pitch in (("content", 300.0), ("style", 1800.0), ("output", 900.0)):
        soundfile.write(folder / f"{name}.wav", tone(pitch, 9), RATE)
    name_recordings(folder, str(folder / "content.wav"), str(folder / "style.wav"))
    return folder


def name_recordings(folder: pathlib.Path, content: str, style: str) -> None:
    (folder / "metrics.json").write_text(json.dumps({"content": content, "style": style}))


def by_hand(network, frames: np.ndarray, starts, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean features and log-probabilities, one segment after the other."""
    features, log_probs = [], []
    for start in starts:
        segment = frames[None, start : start + length].astype(np.float32)
        logits, activations = network(segment)
        features.append(activations["features"][0])
        log_probs.append(jax.nn.log_softmax(logits)[0])
    return np.mean(features, axis=0), np.mean(log_probs, axis=0)


def test_features_are_those_of_the_segments_averaged(run_of):
    run, collection, fit, network = run_of
    config = run.config
    recording = Waveform(tone(500.0, 3, 2.1)[None], RATE)
    features, log_probs, tracks = embed.mean_features(config, fit, network, {"output": recording})
    assert tracks.tolist() == list(range(NUM_TRACKS))
    assert features.shape == (NUM_TRACKS + 1, 7)
    length = config.segment_frames
    for i, track in enumerate(collection.tracks):
        waveform = load_waveform(pathlib.Path(collection.root) / track.name)
        frames = config.spectrogram.frames(waveform)
        wanted = by_hand(network, frames, [0, len(frames) - length], length)
        np.testing.assert_allclose(features[i], wanted[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(log_probs[i], wanted[1], rtol=1e-4, atol=1e-5)
    frames = config.spectrogram.frames(recording)
    starts = np.linspace(0, len(frames) - length, 4).round().astype(int)
    wanted = by_hand(network, frames, starts, length)
    np.testing.assert_allclose(features[-1], wanted[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(log_probs[-1], wanted[1], rtol=1e-4, atol=1e-5)


def test_features_are_standard_over_the_tracks_alone():
    features = np.random.default_rng(0).normal(3.0, [1.0, 10.0, 0.1], (9, 3))
    features = np.column_stack([features, np.zeros(9), np.full(9, 0.1) * (1 + 1e-15)])
    features[-1] += 5.0  # A recording.
    found = embed.standardise(features, 8)
    np.testing.assert_allclose(found[:8].mean(0), 0.0, atol=1e-12)
    np.testing.assert_allclose(found[:8].std(0), [1, 1, 1, 0, 0], atol=1e-12)
    recording = (features[-1, :3] - features[:8, :3].mean(0)) / features[:8, :3].std(0)
    np.testing.assert_allclose(found[-1], [*recording, 0, 0])


def test_far_clusters_stay_apart_and_the_same_places_come_again():
    random = np.random.default_rng(0)
    points = random.normal(size=(40, 6)) + 20 * (np.arange(40) % 2)[:, None]
    places, perplexity = embed.t_sne(points, seed=3)
    assert places.shape == (40, 2)
    assert perplexity == 13
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.all(distances.argmin(1) % 2 == np.arange(40) % 2)
    even, odd = places[::2], places[1::2]
    assert np.linalg.norm(even.mean(0) - odd.mean(0)) > even.std() + odd.std()
    again, _ = embed.t_sne(points, seed=3)
    assert again.tobytes() == places.tobytes()


@pytest.mark.parametrize(("count", "width", "wanted"), [(4, 3, 1), (7, 1, 2), (120, 2, 30)])
def test_any_number_of_points_and_features_has_places(count, width, wanted):
    points = np.random.default_rng(count).normal(size=(count, width))
    places, perplexity = embed.t_sne(points, seed=0)
    assert np.all(np.isfinite(places))
    assert perplexity == wanted


def test_nearest_neighbours_of_a_small_example():
    places = np.array([0, 1, 2, 3, 4, 5, 2.5, 100, 101, 102, 103, 104])
    classes = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    # The one at 2.5 is among the others; nobody else has more than one wrong neighbour.
    assert embed.count_nearest(places[:, None], classes) == (11, 12)


@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_decides_between_as_many(seed):
    points = np.random.default_rng(seed).normal(size=(24, 2))
    classes = np.arange(24) % 3
    votes = np.array(plain_votes(points, classes.tolist()))
    assert embed.count_nearest(points, classes) == (np.count_nonzero(votes == classes), 24)


def plain_votes(points: np.ndarray, classes: list[int]) -> list[int]:
    """Class of most of the five nearest others, by loops."""
    votes = []
    for i, point in enumerate(points):
        others = [j for j in range(len(points)) if j != i]
        others.sort(key=lambda j: np.linalg.norm(points[j] - point))
        near = [classes[j] for j in others[:5]]
        most = max(near.count(each) for each in near)
        votes.append(next(each for each in near if near.count(each) == most))
    return votes


@pytest.mark.parametrize("counts", [[], [6], [9, 5], [7, 0]])
def test_too_few_held_out_tracks_say_nothing(counts):
    classes = np.repeat(np.arange(len(counts)), counts).astype(int)
    assert embed.count_nearest(np.arange(len(classes))[:, None] * 1.0, classes) is None


def test_duplicates_count_once(run_of, monkeypatch):
    run, collection, fit, _ = run_of
    counted = []
    monkeypatch.setattr(embed, "count_nearest", lambda points, _: counted.append(len(points)))
    everything = {"train": [], "validation": [], "test": []}
    run = dataclasses.replace(run, fits={"seed_0": everything})
    same = dataclasses.replace(collection.tracks[1], digest=collection.tracks[0].digest)
    twice = (collection.tracks[0], same, *collection.tracks[2:])
    for tracks in (collection.tracks, twice):
        held = dataclasses.replace(collection, tracks=tracks)
        embed.embed(run, held, fit, {})
    assert counted == [NUM_TRACKS, NUM_TRACKS - 1]


@pytest.mark.parametrize(("recordings", "count"), [("names", 4), ("files", NUM_TRACKS)])
def test_slices_of_a_recording_are_no_neighbours_of_each_other(
    run_of, monkeypatch, recordings, count
):
    run, collection, fit, _ = run_of
    counted = []
    monkeypatch.setattr(embed, "count_nearest", lambda *found: counted.append(found))
    names = [
        f"{track.name.split('/')[0]}.0000{i // 3}.{i % 3}.wav"
        for i, track in enumerate(collection.tracks)
    ]
    tracks = [
        dataclasses.replace(track, name=f"{name.split('.')[0]}/{name}")
        for name, track in zip(names, collection.tracks, strict=True)
    ]
    data = dataclasses.replace(run.config.data, recordings=recordings)
    fits = {"seed_0": {"train": [], "validation": [], "test": []}}
    run = dataclasses.replace(run, fits=fits, config=dataclasses.replace(run.config, data=data))
    embed.embed(run, dataclasses.replace(collection, tracks=tuple(tracks)), fit, {})
    [(points, classes)] = counted
    number = len({name.rsplit(".", 2)[0] for name in names}) if recordings == "names" else count
    assert len(points) == len(classes) == number


def test_fewer_than_four_tracks_are_refused(run_of):
    run, collection, fit, _ = run_of
    empty = np.array([], int)
    few = dataclasses.replace(fit.split, train=empty, validation=empty)
    few = dataclasses.replace(fit, split=few)
    message = rf"^{collection.root} has 3 tracks, .* at least 4; give more by --config\.data\.root$"
    with pytest.raises(InputError, match=message):
        embed.embed(run, collection, few, {})


def test_constant_features_are_refused(run_of, monkeypatch):
    run, collection, fit, network = run_of
    dead = jax.tree.map(np.zeros_like, network), 1
    monkeypatch.setattr(Run, "restore", lambda *_: dead)
    with pytest.raises(InputError, match=r"^the features of seed_0 in .* are the same for all"):
        embed.embed(run, collection, fit, {})


def points_of(num_genres: int) -> list[Point]:
    places = np.random.default_rng(0).normal(size=(3 * num_genres, 2)).tolist()
    parts = ("train", "validation", "test")
    return [
        Point(f"{i}.wav", f"genre ${i // 3:02d}$", parts[i % 3], "genre $00$", *place)
        for i, place in enumerate(places)
    ]


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that are saved."""
    figures = []

    def save(figure: Figure, path: pathlib.Path, **_) -> None:
        figures.append(figure)
        path.write_bytes(b"")

    monkeypatch.setattr(Figure, "savefig", save)
    return figures


def test_the_figure_shows_genres_subsets_and_recordings(tmp_path, drawn):
    takes = [
        Point(name, "", "take", "$jazz_$", float(i), -float(i))
        for i, name in enumerate(("content", "style", "output"))
    ]
    draw_points(tmp_path / "a.png", points_of(13) + takes, "what $it is", "how")
    [figure] = drawn
    figure.canvas.draw()
    [panel], [legend] = figure.axes, figure.legends
    assert panel.get_title() == "what $it is"
    labels = [text.get_text() for text in legend.get_texts()]
    wanted = ["trained on (13 tracks)", "validation (13 tracks)", "held out (13 tracks)"]
    assert labels == [*(f"genre ${i:02d}$" for i in range(13)), *wanted]
    looks = {
        (handle.get_facecolor().tobytes(), handle.get_paths()[0].vertices.tobytes())
        for handle in legend.legend_handles[:13]
    }
    assert len(looks) == 13
    texts = {text.get_text() for text in panel.texts}
    assert texts == {*(f"{take.name}\npredicted: $jazz_$" for take in takes), ""}
    [arrow] = [text for text in panel.texts if text.get_text() == ""]
    assert arrow.arrow_patch is not None
    assert (arrow.xyann, arrow.xy) == ((0.0, 0.0), (2.0, -2.0))


def test_the_legend_has_only_what_is_there(tmp_path, drawn):
    draw_points(tmp_path / "a.png", points_of(2)[::3], "what", "how")
    [figure] = drawn
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["genre $00$", "genre $01$", "trained on (2 tracks)"]
    assert not figure.axes[0].texts


def test_a_table_that_cannot_be_written_leaves_the_one_before(tmp_path):
    path = tmp_path / "embedding.csv"
    save_points(path, points_of(1))
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_points(path, [*points_of(1), None])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["embedding.csv"]


def test_in_words():
    points = (*points_of(2), Point("output", "", "take", "a", 0.0, 0.0))
    assert embed.in_words(Embedding(points, 2.0, 100, None)) == "6 tracks, 2 of them held out"
    assert embed.in_words(Embedding(points, 2.0, 100, (6, 12))) == (
        "6 tracks, 2 of them held out: in the space of 100 features, not of the figure, the 5 "
        "nearest others of 12 recordings predict the genre of 50.0% (95 % interval 25.4% to 74.6%)"
    )


def test_the_script_draws_tracks_and_recordings(run_script, run_of, transfer):
    run, collection, fit, network = run_of
    workdir = run.folder
    result = run_script(
        "run_train.py", "--mode=embed", f"--workdir={workdir}", f"--transfer={transfer}"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        "seed_0: 12 tracks, 3 of them held out\n"
        f"Wrote {workdir / 'embedding.png'} and {workdir / 'embedding.csv'}\n"
    )
    assert (workdir / "embedding.png").read_bytes().startswith(b"\x89PNG")
    with (workdir / "embedding.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["name", "genre", "part", "predicted", "x", "y"]
    names = [track.name for track in collection.tracks]
    assert [row["name"] for row in rows] == [*names, "content", "style", "output"]
    for row in rows[:-3]:
        assert row["genre"] == row["name"].split("/")[0]
        assert row["name"] in run.fits["seed_0"][row["part"]]
    assert {(row["genre"], row["part"]) for row in rows[-3:]} == {("", "take")}
    recordings = load_recordings(str(transfer))
    _, log_probs, _ = embed.mean_features(run.config, fit, network, recordings)
    assert [row["predicted"] for row in rows] == [run.genres[i] for i in log_probs.argmax(1)]
    found = embed.embed(run, collection, fit, recordings)
    save_points(workdir / "again.csv", found.points)
    assert (workdir / "again.csv").read_bytes() == (workdir / "embedding.csv").read_bytes()

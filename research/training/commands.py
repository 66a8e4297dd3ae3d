"""What run_train.py does, one function a mode."""

import dataclasses
import pathlib
import time
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from research.audio.waveform import Waveform
from research.data.descriptor_cache import DescriptorCache
from research.data.descriptor_tables import save_descriptors, tables
from research.data.front_ends.registry import for_input
from research.data.pca import save_pca
from research.data.tracks import load_collection
from research.errors import InputError, only_warn
from research.files import check_place, exclusive_lock
from research.processes import first_then_others, is_first, written_by_first
from research.progress import CountingBar
from research.report.feature_map import draw_points, save_points
from research.report.training_curves import draw_curves
from research.settings import unbound_keys
from research.training import embed as embedding
from research.training import experiment, results, testing
from research.training import pca as components
from research.training.chosen_run import check_changes, find_networks
from research.training.config import TrainConfig, check_applies
from research.training.predict import Ensemble, predict_files, ranked
from research.training.run import SHIPPED, Run, was_trained
from research.training.run_log import RunLog
from research.workdir import claim, claim_config, environment, make_workdir, save_json


def train(
    config: TrainConfig,
    workdir: pathlib.Path,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Train every fit, from its latest checkpoint if it has one, and test each once.

    Without tracks to test on, nothing is tested.

    Args:
      config: of the training.
      workdir: folder of the run.
      changes: the keys that were given, by dotted key; they are in `config`.

    Raises:
      InputError: the config or the data do not allow it, or the workdir holds another run.
    """
    _check_trains("train", config)
    check_applies(config, changes)
    mesh = experiment.find_mesh(config)
    make_workdir(workdir)
    # Checkpoints and components bind the workdir; a start that made neither does not.
    begun = was_trained(workdir) or (workdir / "pca.npz").exists()
    with written_by_first(workdir) as written, exclusive_lock(written), CountingBar() as bar:
        log = RunLog(written, config.tensorboard)
        claim_config(written / "config.json", config, binding=begun)
        with first_then_others():
            collection, store = experiment.load_data(config, bar)
        experiment.check_genres(collection)
        fits = experiment.plan(config, collection, store)
        manifest = experiment.manifest(collection, fits)
        # A reason names the path of its file, and what is not skipped is among the tracks.
        claim(written / "data.json", manifest, binding=begun, free=["root", "skipped"])
        save_json(written / "environment.json", environment(config.seed))
        num_classes = len(collection.genres)
        experiment.train(
            config, fits, num_classes, workdir, mesh=mesh, log=log, on_progress=bar, say=bar.say
        )
        if any(len(fit.split.test) for fit in fits):
            run = dataclasses.replace(Run.load(written), folder=workdir)
            testing.test(run, collection, fits, written, bar, of_training=True)
        else:
            bar.say("No tracks to test on: config.data.files.test is not given")
        with only_warn(written / "curves.png"):
            draw_curves(written / "curves.png", log.read())


def evaluate(config: TrainConfig, workdir: pathlib.Path, changes: Mapping[str, Any]) -> None:
    """Test networks as they were tested in training, or on other data or another split.

    Args:
      config: `checkpoint` says which networks, `spectrogram` the front end of the data.
      workdir: where results are written; its own networks are used if `checkpoint` is empty.
      changes: values by dotted key that replace those of the run.

    Raises:
      InputError: there are no networks, or the data do not fit them.
    """
    run = find_networks("evaluate", config, workdir, changes)
    if run.folder != workdir and was_trained(workdir):
        raise InputError(
            f"{workdir} holds a training of its own, whose results would be lost; give another "
            "--workdir"
        )
    with CountingBar() as bar:
        collection, fits = testing.load_data("evaluate", run, run.fits, changes, bar)
        if not all(len(fit.split.test) for fit in fits):
            raise InputError(
                "config.data.files.test is not given; name the text file that lists the tracks to "
                "test on"
            )
        make_workdir(workdir)
        of_training = not testing.is_other(changes)
        if run.folder == workdir and not of_training and is_first():
            results.keep_training_results(workdir)
        with written_by_first(workdir) as written:
            testing.test(run, collection, fits, written, bar, of_training=of_training)


def predict(
    config: TrainConfig, workdir: pathlib.Path, changes: Mapping[str, Any], path: str | None
) -> None:
    """Print and write the genres of audio files, images, or tracks of a table.

    Args:
      config: see `evaluate`.
      workdir: see `evaluate`.
      changes: see `evaluate`.
      path: of a file or a folder, the flag `--input`.

    Raises:
      InputError: there are no networks, or no file can be used.
    """
    if path is None:
        raise InputError(
            "--mode=predict needs --input; give a file of the kind that the networks were trained "
            "on, or a folder of them"
        )
    run = find_networks("predict", config, workdir, changes, on_data=False)
    if run.folder != SHIPPED and run.config.data.root is None:
        warnings.warn(
            f"the networks in {run.folder} were trained on the synthetic set, and know its genres "
            "alone; --config.checkpoint=shipped names those trained on music",
            stacklevel=2,
        )
    run = run.with_front_end(for_input(run.config.spectrogram, path))
    files = run.config.spectrogram.find_inputs(path, "--input")
    ensemble, predictions = Ensemble.restore(run), {}
    written = make_workdir(workdir) / "predictions.json"
    check_place(written)
    try:
        for file, prediction in predict_files(ensemble, files):
            if isinstance(prediction, InputError):
                if len(files) == 1:
                    raise prediction
                warnings.warn(f"skipped: {prediction}", stacklevel=2)
                continue
            predictions[str(file)] = prediction
            best = list(ranked(prediction["probabilities"]).items())[:3]
            print(f"{file}: " + ", ".join(f"{genre} {value:.0%}" for genre, value in best))
        if not predictions:
            raise InputError(f"none of the {len(files)} files in {path} can be used")
    finally:  # What was predicted before an interruption is kept.
        if predictions:
            save_json(written, predictions)
    print(f"Wrote {written}")


def pca(config: TrainConfig, workdir: pathlib.Path, changes: Mapping[str, Any]) -> None:
    """Fit principal components to the training segments of the first fit of a run.

    Args:
      config: of a run that is not trained; else `pca` alone.
      workdir: of a run that is trained, or may be later.
      changes: values by dotted key that replace those of a trained run.

    Raises:
      InputError: the front end is not invertible, or the data are not those of the training.
    """
    _check_trains("pca", config)
    run = None
    if was_trained(workdir):
        check_changes(
            "pca", changes, unbound_keys(TrainConfig).__contains__, ["data.root", "data.cache"]
        )
        run = Run.load(workdir, changes)
        config = dataclasses.replace(run.config, pca=config.pca)
    else:
        check_applies(config, changes)
    if not config.spectrogram.invertible:
        raise InputError(
            "--mode=pca is for spectrograms that can be turned back into audio, and "
            f"spectrogram.name is {config.spectrogram.name}; give the --workdir or --config of stft"
        )
    make_workdir(workdir)
    with exclusive_lock(workdir), CountingBar() as bar:
        collection, store = experiment.load_data(config, bar)
        experiment.check_genres(collection)
        fits = experiment.plan(config, collection, store)
        manifest = experiment.manifest(collection, fits)
        if run and (manifest["tracks"], manifest["fits"]) != (run.tracks, run.fits):
            raise InputError(
                f"{collection.root} is not what was trained on in {workdir}; give those tracks by "
                "--config.data.root, or another --workdir"
            )
        fitted = components.fit_training_segments(config, collection, fits[0], bar)
        if run is None:
            claim_config(workdir / "config.json", config, binding=False)
            save_json(workdir / "data.json", manifest)
            save_json(workdir / "environment.json", environment(config.seed))
        save_pca(workdir / "pca.npz", fitted)
        bar.say(f"Wrote {workdir / 'pca.npz'}\n{components.in_words(fitted)}")


def embed(
    config: TrainConfig,
    workdir: pathlib.Path,
    changes: Mapping[str, Any],
    recordings: Mapping[str, Waveform],
) -> None:
    """Draw a map of the tracks, and of other recordings, in the features of the first network.

    Args:
      config: see `evaluate`.
      workdir: see `evaluate`.
      changes: see `evaluate`.
      recordings: waveforms by name; those of the flag `--transfer`.

    Raises:
      InputError: there are no networks, or the data or the recordings do not fit them.
    """
    run = find_networks("embed", config, workdir, changes)
    if recordings and not run.config.spectrogram.from_audio:
        raise InputError(
            "--transfer is for classifiers of audio, and spectrogram.name is "
            f"{run.config.spectrogram.name}; give the --workdir or --config of one of audio"
        )
    name, *others = run.fits
    with CountingBar() as bar:
        collection, [fit] = testing.load_data("embed", run, [name], changes, bar)
        found = embedding.embed(run, collection, fit, recordings)
        data = f" on {collection.root}" if run.config.data.root else ""
        which = f"{name}, the first of {1 + len(others)} fits" if others else name
        make_workdir(workdir)
        save_points(workdir / "embedding.csv", found.points)
        draw_points(
            workdir / "embedding.png",
            found.points,
            f"{run.config.model.name}{data}, {which}\n{results.protocol(run.config)}",
            f"t-SNE of {found.num_features} features, perplexity {found.perplexity:.3g}: "
            "neighbours are similar, long distances mean little",
        )
        bar.say(
            f"{which}: {embedding.in_words(found)}\n"
            f"Wrote {workdir / 'embedding.png'} and {workdir / 'embedding.csv'}"
        )


def describe(config: TrainConfig, workdir: pathlib.Path, changes: Mapping[str, Any]) -> None:
    """Write descriptors of whole tracks and of slices of 3 s as tables of GTZAN's format.

    Args:
      config: `data.root` and `data.max_bad_share` are used.
      workdir: of the tables and the cache.
      changes: the keys that were given, by dotted key.

    Raises:
      InputError: other keys were given, or there is no folder of audio.
    """
    start, root = time.perf_counter(), config.data.root
    for key in sorted(changes.keys() - {"data.root", "data.max_bad_share"}):
        raise InputError(
            f"config.{key} does not apply to --mode=describe; config.data.root and "
            "config.data.max_bad_share do"
        )
    if root is None:
        raise InputError(
            "--mode=describe needs --config.data.root; give a folder that has one folder of audio "
            "files a genre"
        )
    make_workdir(workdir)
    with exclusive_lock(workdir), CountingBar() as bar:
        cache = DescriptorCache(workdir / "descriptors")
        collection = load_collection(
            root,
            cache,
            max_bad_share=config.data.max_bad_share,
            min_frames=1,
            on_progress=lambda done, total: bar("descriptors", done, total),
        )
        both = tables((track.name, cache.read(track.digest)) for track in collection.tracks)
        written = []
        for seconds, table in zip((30, 3), both, strict=True):
            path = workdir / f"features_{seconds}_sec.csv"
            save_descriptors(path, table)
            written.append(f"{path} ({len(table.names)} rows)")
        bar.say(
            f"Wrote {' and '.join(written)} in {time.perf_counter() - start:.0f} s; "
            f"files skipped: {len(collection.skipped)}"
        )


def _check_trains(mode: str, config: TrainConfig) -> None:
    """Check that a config has a training subset and networks of its own."""
    if config.data.split == "all":
        raise InputError("config.data.split=all has no training subset; it is for --mode=evaluate")
    if config.checkpoint:
        raise InputError(
            f"config.checkpoint names networks to use, and --mode={mode} makes its own; leave it "
            "out"
        )

"""Train a genre classifier, test it, use it, and draw what it hears; or fit a PCA to what it sees.

Or describe tracks by the 57 numbers of GTZAN's feature tables. Classifiers are of audio, of GTZAN's
pictures of spectrograms, or of such tables, as the config says.

    python run_train.py --config=configs/multi_channel.py --config.data.root=gtzan
    python run_train.py --mode=evaluate --workdir=results/multi_channel
    python run_train.py --mode=predict --workdir=results/multi_channel --input=song.mp3
    python run_train.py --mode=pca --workdir=results/multi_channel --config.data.root=gtzan
    python run_train.py --mode=embed --workdir=results/multi_channel --transfer=results/transfer
    python run_train.py --mode=describe --workdir=results/described --config.data.root=gtzan
    python run_train.py --config=configs/descriptors.py --config.data.root=features_30_sec.csv
    python run_train.py --config=configs/pictures.py --config.data.root=gtzan
    python run_train.py --mode=predict --config.checkpoint=shipped --input=song.mp3

Without `--config.data.root`, a synthetic set of ten genres is made and trained on.
"""

import dataclasses
import json
import pathlib
import time
import typing
import warnings

from absl import flags
from ml_collections import config_flags

from research import command_line

if typing.TYPE_CHECKING:
    from research.data.tracks import Collection
    from research.training.config import TrainConfig
    from research.training.experiment import Fit

CONFIG = command_line.define_config(pathlib.Path(__file__).parent / "configs" / "multi_channel.py")
MODE = flags.DEFINE_enum(
    "mode",
    "train",
    ["train", "evaluate", "predict", "pca", "embed", "describe"],
    "Train and test; test what was trained; give the genres of audio; fit principal components; "
    "draw what a network hears in each track; or write GTZAN's tables of descriptors of tracks.",
)
INPUT = flags.DEFINE_string(
    "input",
    None,
    "Audio file or picture, or folder of them, or table of descriptors, for --mode=predict.",
)
TRANSFER = flags.DEFINE_string(
    "transfer", None, "Workdir of a run_transfer.py run that --mode=embed draws, too."
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; results/ and the name of the config file by default."
)


def main() -> None:
    """Dispatch on the mode."""
    file = config_flags.get_config_filename(flags.FLAGS["config"]).split(":")[0]
    workdir = pathlib.Path(WORKDIR.value or f"results/{pathlib.Path(file).stem}")
    modes = {
        "train": train,
        "evaluate": evaluate,
        "predict": predict,
        "pca": pca,
        "embed": embed,
        "describe": describe,
    }
    modes[MODE.value](workdir)


def train(workdir: pathlib.Path) -> None:
    """Train every fit, or what a killed run left of them, and test each once."""
    from research.files import held_alone
    from research.progress import CountingBar
    from research.report.training_curves import draw_curves
    from research.training import experiment
    from research.training.run import SINCE, was_trained
    from research.training.run_log import RunLog
    from research.workdir import claim, environment, make_workdir, save_json

    config = _load_config()
    make_workdir(workdir)
    log = RunLog(workdir, config.tensorboard)
    # What was trained or fitted already binds; a start that came to nothing does not.
    begun = was_trained(workdir) or (workdir / "pca.npz").exists()
    with held_alone(workdir), CountingBar() as bar:
        chosen = json.loads(CONFIG.value.to_json())
        moved = ["data.cache", "data.root", "tensorboard", "checkpoint"]
        moved += [f"pca.{key}" for key in chosen["pca"]]
        claim(workdir / "config.json", chosen, binding=begun, free=moved, since=SINCE)
        collection, cache = experiment.load_data(config, bar)
        fits = experiment.plan(config, collection, cache)
        manifest = experiment.manifest(collection, fits)
        claim(workdir / "data.json", manifest, binding=begun, free=("root",))
        save_json(workdir / "environment.json", environment(config.seed))
        experiment.train(
            config, fits, len(collection.genres), workdir, log=log, on_progress=bar, say=bar.say
        )
        _test(config, collection, fits, workdir, workdir, manifest, bar)
        draw_curves(workdir / "curves.png", log.read())


def evaluate(workdir: pathlib.Path) -> None:
    """Test networks: as they were tested in training, or on other data or by another split."""
    from research.errors import InputError
    from research.progress import CountingBar
    from research.training.run import was_trained
    from research.workdir import make_workdir

    networks, config, manifest = _load_run(workdir)
    if networks != workdir and was_trained(workdir):
        raise InputError(
            f"{workdir} holds a training of its own, whose results would be lost; give another "
            "--workdir"
        )
    with CountingBar() as bar:
        collection, fits = _plan_test(config, manifest, list(manifest["fits"]), bar)
        make_workdir(workdir)
        if networks == workdir and _splits_again() and (workdir / "results.json").exists():
            _keep_training_results(workdir)
        _test(config, collection, fits, networks, workdir, manifest, bar)


def predict(workdir: pathlib.Path) -> None:
    """Print and write the genres of audio files, of pictures, or of tracks of a table."""
    from research.errors import InputError
    from research.training.predict import predict as predict_files
    from research.training.predict import ranked, restore_ensemble
    from research.workdir import make_workdir, save_json

    if INPUT.value is None:
        raise InputError(
            "--mode=predict needs --input; give a file of what was trained on, or a folder of them"
        )
    networks, config, manifest = _load_run(workdir)
    files = config.spectrogram.find_inputs(INPUT.value, "--input")
    ensemble = restore_ensemble(networks, config, manifest)
    predictions = {}
    for file, answer in predict_files(ensemble, files):
        if isinstance(answer, InputError):
            if len(files) == 1:
                raise answer
            warnings.warn(f"skipped: {answer}", stacklevel=2)
            continue
        predictions[str(file)] = answer
        best = list(ranked(answer["probabilities"]).items())[:3]
        print(f"{file}: " + ", ".join(f"{genre} {share:.0%}" for genre, share in best))
    if not predictions:
        raise InputError(f"none of the {len(files)} files in {INPUT.value} can be used")
    save_json(make_workdir(workdir) / "predictions.json", predictions)
    print(f"Wrote {workdir / 'predictions.json'}")


def pca(workdir: pathlib.Path) -> None:
    """Fit principal components to the training segments of a run, trained or not; keep them."""
    from research.data.pca import save_pca
    from research.errors import InputError
    from research.files import held_alone
    from research.progress import CountingBar
    from research.training import experiment
    from research.training.pca import fit_training_part, in_words
    from research.training.run import was_trained
    from research.workdir import environment, make_workdir, save_json

    _check_own_networks()
    trained = was_trained(workdir)
    _, config, before = _load_run(workdir) if trained else (workdir, _load_config(), {})
    if not config.spectrogram.invertible:
        raise InputError(
            "--mode=pca is for spectrograms that can be turned back into audio, and "
            f"spectrogram.name is {config.spectrogram.name}; give the --workdir or --config of stft"
        )
    make_workdir(workdir)
    with held_alone(workdir), CountingBar() as bar:
        collection, cache = experiment.load_data(config, bar)
        fits = experiment.plan(config, collection, cache)
        manifest = experiment.manifest(collection, fits)
        if trained and any(manifest[key] != before[key] for key in ("tracks", "fits")):
            raise InputError(
                f"{collection.root} is not what was trained on in {workdir}; give those tracks by "
                "--config.data.root, or another --workdir"
            )
        components = fit_training_part(config, collection, fits[0], bar)
        if not trained:
            save_json(workdir / "config.json", json.loads(CONFIG.value.to_json()))
            save_json(workdir / "data.json", manifest)
            save_json(workdir / "environment.json", environment(config.seed))
        save_pca(workdir / "pca.npz", components)
        bar.say(f"Wrote {workdir / 'pca.npz'}\n{in_words(components)}")


def embed(workdir: pathlib.Path) -> None:
    """Draw what the first of the networks hears in each track, and in a transfer."""
    from research.errors import InputError
    from research.progress import CountingBar
    from research.report.feature_map import draw_points, save_points
    from research.training.embed import embed, in_words, load_takes
    from research.training.results import protocol
    from research.workdir import make_workdir

    networks, config, manifest = _load_run(workdir)
    if TRANSFER.value is not None and not config.spectrogram.from_audio:
        raise InputError(
            "--transfer is for classifiers of audio, and spectrogram.name is "
            f"{config.spectrogram.name}; give the --workdir or --config of one of audio"
        )
    takes = {} if TRANSFER.value is None else load_takes(TRANSFER.value)
    name, *others = manifest["fits"]
    with CountingBar() as bar:
        collection, (one,) = _plan_test(config, manifest, [name], bar)
        found = embed(config, collection, one, networks, manifest, takes)
        data = f" on {collection.root}" if config.data.root else ""
        fit = f"{name}, the first of {1 + len(others)} fits" if others else name
        make_workdir(workdir)
        draw_points(
            workdir / "embedding.png",
            found.points,
            f"{config.model.name}{data}, {fit}\n{protocol(config)}",
            f"t-SNE of {found.num_features} features, perplexity {found.perplexity:.3g}: "
            "neighbours are heard alike, long distances say little",
        )
        save_points(workdir / "embedding.csv", found.points)
        bar.say(
            f"{fit}: {in_words(found)}\n"
            f"Wrote {workdir / 'embedding.png'} and {workdir / 'embedding.csv'}"
        )


def describe(workdir: pathlib.Path) -> None:
    """Write the descriptors of whole tracks and of slices of 3 s, as GTZAN's tables have them."""
    from research.data.descriptor_cache import DescriptorCache
    from research.data.descriptor_tables import save_descriptors, tables
    from research.data.tracks import load_collection
    from research.errors import InputError
    from research.files import held_alone
    from research.progress import CountingBar
    from research.workdir import make_workdir

    start = time.perf_counter()
    others = sorted(_overrides().keys() - {"data.root", "data.max_bad_share"})
    if others:
        raise InputError(
            f"config.{others[0]} says nothing to --mode=describe; config.data.root and "
            "config.data.max_bad_share do"
        )
    if CONFIG.value.data.root is None:
        raise InputError(
            "--mode=describe needs --config.data.root; give a folder that has one folder of audio "
            "files a genre"
        )
    data = _load_config().data
    make_workdir(workdir)
    with held_alone(workdir), CountingBar() as bar:
        cache = DescriptorCache(workdir / "descriptors")
        collection = load_collection(
            data.root,
            cache,
            max_bad_share=data.max_bad_share,
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


def _overrides() -> dict[str, object]:
    """Keys of the config that the command line sets."""
    return config_flags.get_override_values(flags.FLAGS["config"])


def _splits_again() -> bool:
    """Whether the command line asks for another split than that of the training."""
    return any(key not in ("data.root", "data.cache", "checkpoint") for key in _overrides())


def _load_config() -> "TrainConfig":
    """Config of a run that trains, by the command line."""
    from research.errors import InputError
    from research.settings import freeze
    from research.training.config import TrainConfig

    config = freeze(TrainConfig, CONFIG.value)
    if config.data.split == "all":
        raise InputError("config.data.split=all has no training part; it is for --mode=evaluate")
    _check_own_networks()
    return config


def _check_own_networks() -> None:
    """Refuse other networks than those of the workdir."""
    from research.errors import InputError

    if CONFIG.value.checkpoint:
        raise InputError(
            "config.checkpoint names networks to use, and "
            f"--mode={MODE.value} makes its own; leave it out"
        )


def _find_networks(workdir: pathlib.Path) -> pathlib.Path:
    """Workdir of the networks that are used: that asked for, this one, or what is shipped."""
    from research.errors import InputError
    from research.training.run import SHIPPED, find_checkpoint, was_trained

    if CONFIG.value.checkpoint:
        networks = find_checkpoint(CONFIG.value.checkpoint)
        return workdir if networks.resolve() == workdir.resolve() else networks
    if was_trained(workdir):
        return workdir
    if (workdir / "config.json").exists():
        raise InputError(
            f"the training in {workdir} left no checkpoint yet; train on, or use other networks by "
            "--config.checkpoint=shipped"
        )
    warnings.warn(f"no training in {workdir}: the shipped weights are used", stacklevel=2)
    return SHIPPED


def _load_run(workdir: pathlib.Path) -> tuple[pathlib.Path, "TrainConfig", dict]:
    """Where the networks are; their config with what the command line says of data; manifest."""
    from research.data.front_ends.registry import convert, for_audio, for_input
    from research.errors import InputError
    from research.training.run import SHIPPED, load_run

    changes = {"pca": CONFIG.value.pca.to_dict()}
    free, others = ("data.root", "data.split", "checkpoint"), "data"
    if MODE.value == "pca":
        free, others = ("data.root", "data.cache"), "pca"
    for key, value in _overrides().items():
        section, *inner = key.split(".")
        if key not in free and (section != others or inner == ["num_folds"]):
            raise InputError(
                f"config.{key} was settled in training and cannot be changed by "
                f"--mode={MODE.value}; {' and '.join(f'config.{name}' for name in free)} can"
            )
        changes[key] = value
    networks = _find_networks(workdir)
    config, manifest = load_run(networks, changes)
    front_end = config.spectrogram
    if networks == SHIPPED:
        front_end = for_audio(front_end)
        if config.data.root is None and MODE.value != "predict":
            raise InputError(
                f"--mode={MODE.value} needs --config.data.root for the shipped weights; give a "
                f"folder that has one folder of files a genre, of {', '.join(manifest['genres'])}"
            )
    front_end = convert(front_end, CONFIG.value.spectrogram.name)
    if MODE.value == "predict":
        front_end = for_input(front_end, INPUT.value)
    return networks, dataclasses.replace(config, spectrogram=front_end), manifest


def _plan_test(config, manifest, names, bar) -> tuple["Collection", list["Fit"]]:
    """The collection with its genres as in training, and what these fits are tested on."""
    from research.training import experiment

    collection, cache = experiment.load_data(config, bar)
    if config.data.split != "all" and not _splits_again():
        experiment.check_unchanged(collection, manifest)
    collection = experiment.match_genres(collection, manifest["genres"])
    return collection, experiment.plan_test(config, collection, cache, names)


def _keep_training_results(workdir: pathlib.Path) -> None:
    """Set the results of the training aside, before those of another test take their place."""
    from research.workdir import load_json, save_json

    kept = workdir / "results_of_training.json"
    if not kept.exists():
        save_json(kept, load_json(workdir / "results.json"))


def _test(config, collection, fits, networks, workdir, manifest, bar) -> None:
    """Score the fits and write what came of it."""
    from research.report.confusion import draw_confusion
    from research.tables import save_table
    from research.training.results import TrackScore, in_words, score
    from research.training.run import training_parts
    from research.workdir import save_json

    parts = training_parts(config, manifest, collection)
    results, tracks = score(config, collection, fits, networks, parts, bar)
    save_json(workdir / "results.json", results)
    save_table(workdir / "tracks.csv", TrackScore._fields, tracks)
    draw_confusion(
        workdir / "confusion.png", results["confusion"], results["genres"], results["protocol"]
    )
    bar.say(f"{in_words(results)}\nWrote {workdir / 'results.json'} and {workdir / 'tracks.csv'}")


if __name__ == "__main__":
    command_line.run(main)

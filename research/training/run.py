"""What a training left in its workdir, or what is shipped: config, manifest and networks."""

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from research.data.front_ends.registry import for_audio
from research.data.splits import track_key
from research.data.tracks import Collection
from research.errors import InputError, about
from research.models.network import Network
from research.settings import freeze
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.loop import StepConfig, from_saved, start_state, to_saved
from research.training.sharding import make_mesh, replicate, replicated_shapes
from research.training.weights import load_weights
from research.workdir import flat, load_json

SHIPPED = pathlib.Path(__file__).parent.parent / "shipped"


def _since() -> dict[str, Any]:
    """Dotted keys that runs from before them do not have, and what these did."""
    plain = flat(dataclasses.asdict(TrainConfig()) | {"spectrogram": {"name": "stft"}})
    names = ("schedule", "warmup_epochs", "weight_decay", "label_smoothing", "averaging")
    names += ("augment.equaliser_db", "augment.shift", "segments.overlap", "spectrogram.name")
    pca = [name for name in plain if name.startswith("pca.")]
    return {name: plain[name] for name in (*names, *pca, "checkpoint")}


SINCE = _since()


def was_trained(workdir: pathlib.Path) -> bool:
    """Whether a training left a checkpoint in a workdir, or weights are shipped in it."""
    return any((workdir / "checkpoints").glob("*/*")) or any(workdir.glob("weights/*.npz"))


def load_run(
    workdir: pathlib.Path, changes: Mapping[str, Any] | None = None
) -> tuple[TrainConfig, dict[str, Any]]:
    """Config and manifest that a run left in its workdir; `saw` is the front end of its training.

    Args:
      workdir: of a run that was started.
      changes: what takes the place of the run's own choices, by dotted key without `config.`.

    Raises:
      InputError: a file is missing or damaged, or the config does not allow a change.
    """
    chosen = _load_dict(workdir / "config.json", {})
    manifest = _load_dict(workdir / "data.json", {"genres": list, "tracks": dict, "fits": dict})
    for key, value in SINCE.items():
        _place(chosen, key).setdefault(key.split(".")[-1], value)
    for key, value in (changes or {}).items():
        _place(chosen, key)[key.split(".")[-1]] = value
    prefix = "config" if changes else f"{workdir / 'config.json'}: config"
    config = freeze(TrainConfig, chosen, prefix)
    return config, manifest | {"saw": config.spectrogram.name}


def _place(chosen: dict[str, Any], key: str) -> dict[str, Any]:
    """The innermost dict of a dotted key."""
    for name in key.split(".")[:-1]:
        chosen = chosen.setdefault(name, {})
        if not isinstance(chosen, dict):  # What is not is told of when it is frozen.
            return {}
    return chosen


def _load_dict(path: pathlib.Path, kinds: dict[str, type]) -> dict[str, Any]:
    """What a run left, some keys of it holding something of a kind."""
    value = load_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged (no keys in it); give another --workdir")
    for key, kind in kinds.items():
        if not (isinstance(value.get(key), kind) and value[key]):
            raise InputError(f"{path} is damaged (no {key} in it); give another --workdir")
    return value


def find_checkpoint(checkpoint: str) -> pathlib.Path:
    """The workdir that `config.checkpoint` names.

    Raises:
      InputError: there is no such folder, or no training in it.
    """
    if checkpoint == "shipped":
        return SHIPPED
    key, workdir = f"config.checkpoint {checkpoint}", pathlib.Path(checkpoint).expanduser()
    mend = "give shipped, or the --workdir of a run_train.py run"
    if not checkpoint:
        raise InputError(f"config.checkpoint is empty; {mend}")
    if not workdir.is_dir():
        raise InputError(f"{key} is no folder; {mend}")
    if not was_trained(workdir):
        raise InputError(f"{key} holds no training; {mend}")
    return workdir


def load_checkpoint(checkpoint: str) -> tuple[pathlib.Path, TrainConfig, dict[str, Any]]:
    """Workdir, config and manifest of the training that `config.checkpoint` names, for audio.

    Raises:
      InputError: see `find_checkpoint`; or the training is damaged, or not of audio.
    """
    workdir = find_checkpoint(checkpoint)
    with about(f"config.checkpoint {checkpoint}"):
        config, manifest = load_run(workdir)
    config = dataclasses.replace(config, spectrogram=for_audio(config.spectrogram))
    if not config.spectrogram.from_audio:
        raise InputError(
            f"config.checkpoint {checkpoint} knows no audio, its spectrogram.name is "
            f"{config.spectrogram.name}; give shipped, or the --workdir of a run_train.py run on "
            "audio"
        )
    return workdir, config, manifest


def restore(
    config: TrainConfig, workdir: pathlib.Path, name: str, num_classes: int
) -> tuple[Network, int | None]:
    """Best network of a fit, and its step; of a shipped one, no step is known.

    Raises:
      InputError: there is no checkpoint, or it is damaged.
    """
    folder = workdir / "checkpoints" / name
    weights = workdir / "weights"
    shape = config.segment_frames, config.spectrogram.num_bins
    network = Network.shapes(config.model, shape, num_classes)
    mesh = make_mesh(config.batch_size)
    if weights.is_dir():
        variables = load_weights(weights / f"{name}.npz", network.variables)
        return replicate(network.with_variables(variables), mesh), None
    start = functools.partial(start_state, config=StepConfig.of(config))
    like = replicated_shapes(jax.eval_shape(start, network), mesh)
    missing = f"there is no checkpoint in {folder}; train first, in this --workdir"
    if not folder.is_dir():
        raise InputError(missing)
    with Checkpoints(folder, read_only=True) as checkpoints:
        if checkpoints.best is None:
            raise InputError(missing)
        saved, _ = checkpoints.load(checkpoints.best, to_saved(like))
        return from_saved(saved, like).kept, checkpoints.best


def training_parts(
    config: TrainConfig, manifest: dict[str, Any], collection: Collection
) -> dict[str, dict[str, str]]:
    """By fit and digest, the part that tracks of a collection had: `train` or `validation`.

    A track is known by its digest, whatever it is called now. Where the training saw pictures and
    these are their sounds, or the other way round, it is known by its name: `blues.00000.wav` is
    `blues00000.png`; and what the shipped weights saw, by its fingerprint. A track of which any
    segment was trained on is of `train`.
    """
    digests = manifest["tracks"]
    crosswise = manifest.get("saw", config.spectrogram.name) != config.spectrogram.name
    found = {}
    for fit, lists in manifest["fits"].items():
        names = {name: part for part in ("validation", "train") for name in lists[part]}
        found[fit] = {digests[name]: part for name, part in names.items()}
        if crosswise:
            names |= {fingerprint(name): part for name, part in names.items()}
        found[fit] |= {
            track.digest: names[fingerprint(track.name)]
            for track in collection.tracks
            if fingerprint(track.name) in names
        }
    return found


def fingerprint(name: str) -> str:
    """What a track is called where it is not named: a hash of its genre and name, in any format."""
    return hashlib.blake2b(track_key(name).encode(), digest_size=8).hexdigest()

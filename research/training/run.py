"""A training in its folder: config, genres, tracks and networks; and which training is meant."""

import dataclasses
import functools
import hashlib
import operator
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

import jax

from research.data.front_ends.base import FrontEnd
from research.data.front_ends.registry import for_audio
from research.data.same_recording import recording_key, recording_keys
from research.data.tracks import Collection
from research.errors import InputError, about
from research.files import expand
from research.models.network import Network
from research.settings import freeze, to_config_dict
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.loop import StepConfig, kept_network, start_state, to_saved
from research.training.sharding import make_mesh, replicate, replicated_shapes
from research.training.weights import load_weights
from research.workdir import load_dict

SHIPPED = pathlib.Path(__file__).parent.parent / "shipped"
"""Folder of the weights that come with the code."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A training: what it was trained on, and its networks.

    Attributes:
      folder: the workdir of the training, or `SHIPPED`.
      config: of the training, with the changes given to `load`.
      genres: names of the classes, in the order of the logits.
      tracks: digest of each track by its name.
      fits: for each fit by name, the names of the tracks in each subset.
      front_end: name of the front end of the training. `config.spectrogram` may be another one of
        the same family.
    """

    folder: pathlib.Path
    config: TrainConfig
    genres: tuple[str, ...]
    tracks: dict[str, str]
    fits: dict[str, dict[str, Any]]
    front_end: str

    @classmethod
    def load(cls, folder: pathlib.Path, changes: Mapping[str, Any] | None = None) -> Self:
        """The run in a folder. Keys that its config lacks, because it is older, take defaults.

        Args:
          folder: of a training that was started.
          changes: values by dotted key, such as `data.root`, that replace those of the run.

        Raises:
          InputError: a file is missing or damaged, or a change is not allowed.
        """
        path = folder / "config.json"
        saved = load_dict(path, {"model": dict, "data": dict})
        # Runs from before this key split files, whatever their names.
        saved["data"].setdefault("recordings", "files")
        config = trained = freeze(TrainConfig, saved, f"{path}: config")
        if changes:
            values = to_config_dict(config).to_dict()
            for key, value in changes.items():
                *sections, name = key.split(".")
                functools.reduce(operator.getitem, sections, values)[name] = value
            config = freeze(TrainConfig, values)
        data = load_dict(folder / "data.json", {"genres": list, "tracks": dict, "fits": dict})
        return cls(
            folder,
            config,
            tuple(data["genres"]),
            data["tracks"],
            data["fits"],
            trained.spectrogram.name,
        )

    def with_front_end(self, front_end: FrontEnd) -> Self:
        """The run, used on frames of another front end of the same family."""
        return dataclasses.replace(
            self, config=dataclasses.replace(self.config, spectrogram=front_end)
        )

    def restore(self, fit: str, devices: Sequence[Any] | None = None) -> tuple[Network, int | None]:
        """The best network of a fit and the step of its checkpoint; None for shipped weights.

        Args:
          fit: its name.
          devices: of jax, which get a copy; those of this process by default.

        Raises:
          InputError: there is no checkpoint, or it is damaged.
        """
        config, folder = self.config, self.folder / "checkpoints" / fit
        shape = config.segment_frames, config.spectrogram.num_bins
        network = Network.shapes(config.model, shape, len(self.genres))
        mesh = make_mesh(config.batch_size, devices)
        weights = self.folder / "weights"
        if weights.is_dir():
            variables = load_weights(weights / f"{fit}.npz", network.variables)
            return replicate(network.with_variables(variables), mesh), None
        missing = f"there is no checkpoint in {folder}; train first, in this --workdir"
        if not folder.is_dir():
            raise InputError(missing)
        start = functools.partial(start_state, config=StepConfig.of(config))
        like = replicated_shapes(jax.eval_shape(start, network), mesh)
        with Checkpoints(folder, read_only=True) as checkpoints:
            step = checkpoints.best
            if step is None:
                raise InputError(missing)
            saved, _ = checkpoints.load(step, to_saved(like))
        return kept_network(saved, network), step

    def subsets_of(self, collection: Collection) -> dict[str, dict[str, str]]:
        """For each fit, the subset of its training that tracks of a collection were in.

        A track is recognised by its digest, whatever its name is; one of another digest `by_names`,
        by the name of its recording: `blues.00000.wav` and its slice `blues.00000.3.wav` are
        `blues00000.png`. The shipped weights know their tracks by `fingerprint`. A track of which
        any segment was trained on is in `train`.

        Returns:
          By fit, `train` or `validation` by the digest of a track. Other tracks are missing.
        """
        known = list(self.tracks)
        hashes = known if self._hashed else map(_hash, recording_keys(known))
        hash_of = dict(zip(known, hashes, strict=True))
        by_names, digests = self.by_names(collection), set(self.tracks.values())
        now = recording_keys([track.name for track in collection.tracks]) if by_names else []
        found = {}
        for fit, lists in self.fits.items():
            names = {name: subset for subset in ("validation", "train") for name in lists[subset]}
            found[fit] = {self.tracks[name]: subset for name, subset in names.items()}
            # Slices of one recording may be in both.
            subsets = {hash_of[name]: subset for name, subset in names.items()}
            subsets |= {hash_of[name]: "train" for name in lists["train"]}
            for track, key in zip(collection.tracks, map(_hash, now), strict=False):
                if key in subsets and track.digest not in digests:
                    found[fit][track.digest] = subsets[key]
        return found

    def by_names(self, collection: Collection) -> bool:
        """True if tracks that no digest recognises are recognised by their names.

        Names are used with the shipped weights and with another front end than in training, since
        digests differ. Otherwise they are used if a file is unknown, which may be a copy in another
        format, unless `data.recordings` is `files`. Other recordings may have the same names.
        """
        if self._hashed or self.front_end != self.config.spectrogram.name:
            return True
        known = set(self.tracks.values())
        others = any(track.digest not in known for track in collection.tracks)
        return others and self.config.data.recordings == "names"

    @property
    def _hashed(self) -> bool:
        """True if tracks are named by `fingerprint`; other names have a genre and a slash."""
        return not any("/" in name for name in self.tracks)


def was_trained(folder: pathlib.Path) -> bool:
    """True if a folder holds a checkpoint of a training, or shipped weights."""
    return any((folder / "checkpoints").glob("*/*")) or any(folder.glob("weights/*.npz"))


def find_run(checkpoint: str, changes: Mapping[str, Any] | None = None) -> Run:
    """The run that the key `config.checkpoint` names.

    Args:
      checkpoint: the workdir of a training, or `shipped`.
      changes: see `Run.load`.

    Raises:
      InputError: there is no such folder, it holds no training, or the training is damaged.
    """
    hint = "give shipped, or the --workdir of a run_train.py run"
    if not checkpoint:
        raise InputError(f"config.checkpoint is empty; {hint}")
    folder = SHIPPED if checkpoint == "shipped" else expand(checkpoint)
    if not folder.is_dir():
        raise InputError(f"config.checkpoint {checkpoint} is no folder; {hint}")
    if not was_trained(folder):
        raise InputError(f"config.checkpoint {checkpoint} holds no training; {hint}")
    with about(f"config.checkpoint {checkpoint}"):
        return Run.load(folder, changes)


def find_audio_run(checkpoint: str) -> Run:
    """The run that `config.checkpoint` names, with a front end that reads audio.

    Raises:
      InputError: see `find_run`; or its networks cannot be used on audio.
    """
    run = find_run(checkpoint)
    run = run.with_front_end(for_audio(run.config.spectrogram))
    if not run.config.spectrogram.from_audio:
        raise InputError(
            f"config.checkpoint {checkpoint} cannot classify audio, its spectrogram.name is "
            f"{run.config.spectrogram.name}; give shipped, or the --workdir of a run_train.py run "
            "on audio"
        )
    return run


def fingerprint(name: str) -> str:
    """A hash of the genre and recording of a track, the same for audio, image and slices."""
    return _hash(recording_key(name))


def _hash(key: str) -> str:
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()

"""Runs of the benchmark: outputs of presets and of folders, measured and put into tables."""

import dataclasses
import importlib.util
import pathlib
import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from research.audio.waveform import Waveform, load_waveform, resample
from research.audio.writing import save_waveform
from research.benchmarks.known_truth.anchors import ANCHORS, CHEATS, make_anchors, make_cheats
from research.benchmarks.known_truth.judged import JUDGED, correlations, judged
from research.benchmarks.known_truth.measures import Ruler
from research.benchmarks.known_truth.pieces import Triple
from research.benchmarks.known_truth.render import SAMPLE_RATE, Rendered
from research.errors import InputError, about
from research.judge.verdict import Judge
from research.settings import freeze
from research.transfer.config import TransferConfig
from research.transfer.style_transfer import transfer
from research.transfer.sweep import combinations

COLUMNS = ("closer", "timbre", "beyond_eq", "notes150", "TRUTH", "lsd", "mfcc")
Rows = dict[str, dict[str, float]]
"""The numbers of each row: those of `Closeness`, and of `JUDGED` if the judge was asked."""


def load_config(spec: str) -> TransferConfig:
    """The config of a transfer.

    Args:
      spec: path of a config file, with a preset after a colon if it is not the default one.

    Raises:
      InputError: there is no such file or preset, or it is not of a single transfer.
    """
    path, _, preset = spec.partition(":")
    if not pathlib.Path(path).is_file():
        raise InputError(f"config file {path} does not exist; see configs/")
    module_spec = importlib.util.spec_from_file_location("known_truth_config", path)
    if module_spec is None or module_spec.loader is None:
        raise InputError(f"config file {path} is not Python; see configs/")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
        found = module.get_config(*([preset] if preset else []))
    except (AttributeError, ImportError, SyntaxError, TypeError, ValueError) as error:
        raise InputError(f"config {spec}: {error}") from error
    with about(f"config {spec}"):
        config = freeze(TransferConfig, found)
        if combinations(config.sweep) != [{}]:
            raise InputError("config.sweep is not for this benchmark; give a config a value")
    return config


def name_rows(configs: Sequence[str], folders: Sequence[pathlib.Path]) -> tuple[list[str], ...]:
    """Names of the rows of configs, `file_preset`, and of folders, their own.

    Raises:
      InputError: two rows would have one name, or that of an anchor or cheat.
    """
    split = [spec.partition(":") for spec in configs]
    presets = [f"{pathlib.Path(path).stem}_{preset or 'default'}" for path, _, preset in split]
    own = [folder.resolve().name for folder in folders]
    names = [*ANCHORS, *CHEATS, *presets, *own]
    for name in presets + own:
        if names.count(name) > 1:
            raise InputError(f"two rows would be called {name}; rename a folder or leave one out")
    return presets, own


def measure_triple(
    triple: Triple,
    rendered: Rendered,
    configs: Mapping[str, TransferConfig],
    folders: Mapping[str, pathlib.Path],
    workdir: pathlib.Path,
    with_anchors: bool = True,
    with_cheats: bool = False,
    with_judge: bool = False,
) -> Rows:
    """Measures of all rows of a triple.

    Args:
      triple: what to measure.
      rendered: its recordings.
      configs: transfers to run, by the name of their row. Their outputs are kept as
        `outputs/ROW/TRIPLE.wav` in the workdir.
      folders: outputs made elsewhere, `TRIPLE.wav` in each, by the name of their row.
      workdir: where outputs are kept.
      with_anchors: also measure `make_anchors`.
      with_cheats: also measure `make_cheats`.
      with_judge: also ask the judge.

    Raises:
      InputError: a transfer or an output that cannot be used.
    """
    recordings = rendered.recordings
    content, style, truth = (
        recordings[name].samples.mean(axis=0) for name in ("content", "style", "truth")
    )
    ruler = Ruler(content, truth, rendered.notes)
    judge = Judge(content, style, SAMPLE_RATE) if with_judge else None

    def measure(sound: np.ndarray) -> dict[str, float]:
        closeness = dataclasses.asdict(ruler(sound))
        return closeness if judge is None else closeness | judged(judge, sound)

    rows: Rows = {}
    if with_anchors:
        rows |= {name: measure(sound) for name, sound in make_anchors(recordings).items()}
    if with_cheats:
        rows |= {name: measure(sound) for name, sound in make_cheats(content, style).items()}
    for row, config in configs.items():
        output = transfer(recordings["content"], recordings["style"], config).output
        path = workdir / "outputs" / row / f"{triple.name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_waveform(path, output)
        rows[row] = measure(_mono(output))
    for row, folder in folders.items():
        path = folder / f"{triple.name}.wav"
        if path.is_file():
            with about(path):
                rows[row] = measure(_mono(load_waveform(path)))
        else:
            warnings.warn(f"{path} does not exist and is left out", stacklevel=2)
    return rows


def _mono(waveform: Waveform) -> np.ndarray:
    return resample(waveform, SAMPLE_RATE).samples.mean(axis=0)


def table(title: str, rows: Rows) -> str:
    """The measures of one triple as text, a line a row."""
    columns = _columns(rows)
    lines = [f"{title:24}" + "".join(f"{column:>{_width(column)}}" for column in columns)]
    for name, row in rows.items():
        cells = (f"{row[column]:{_width(column)}.3f}" for column in columns)
        lines.append(f"  {name:22}" + "".join(cells))
    return "\n".join(lines)


def summarise(triples: Iterable[Rows]) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """`mean_of` of each measure, by row and measure."""
    triples = list(triples)
    summary = {}
    for name in dict.fromkeys(name for rows in triples for name in rows):
        found = [rows[name] for rows in triples if name in rows]
        columns = _columns({name: found[0]})
        summary[name] = {column: mean_of([row[column] for row in found]) for column in columns}
    return summary


def summarise_correlations(triples: Iterable[Rows]) -> dict[str, dict[str, float | int | None]]:
    """`mean_of` of each of `correlations`; those that no triple has are left out."""
    return {name: mean_of(found) for name, found in correlations(triples).items() if found}


def mean_of(values: Sequence[float]) -> dict[str, float | int | None]:
    """Mean, standard error and number of triples. The standard error of a single one is None."""
    array = np.array(values, np.float64)
    error = array.std(ddof=1) / len(array) ** 0.5 if len(array) > 1 else None
    return {
        "mean": round(float(array.mean()), 4),
        "error": None if error is None else round(float(error), 4),
        "triples": len(array),
    }


def summary_table(title: str, summary: Mapping[str, Mapping[str, Mapping]]) -> str:
    """Means and standard errors as text, a line a row."""
    columns = dict.fromkeys(column for measures in summary.values() for column in measures)
    lines = [f"{title:24}" + "".join(f"{column:>16}" for column in columns)]
    for name, measures in summary.items():
        cells = [
            f"{cell['mean']:.3f}" + ("" if cell["error"] is None else f" ± {cell['error']:.3f}")
            for cell in measures.values()
        ]
        lines.append(f"  {name:22}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def as_json(rows: Rows) -> Rows:
    """Measures by row, rounded for JSON."""
    return {
        name: {key: round(value, 4) for key, value in row.items()} for name, row in rows.items()
    }


def _columns(rows: Rows) -> list[str]:
    first = next(iter(rows.values()), {})
    return [*COLUMNS, *(column for column in JUDGED if column in first)]


def _width(column: str) -> int:
    return max(10, len(column) + 2)

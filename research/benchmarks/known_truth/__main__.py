"""How close a transfer comes to a known truth: piece A on the instruments of the style.

    python -m research.benchmarks.known_truth
    python -m research.benchmarks.known_truth --configs=configs/transfer.py:ulyanov
    python -m research.benchmarks.known_truth --triples=organ_as_harp --outputs=my_outputs

Prints a table a triple, means with standard errors, and one JSON object in the last line.
"""

import json

from absl import flags

from research import command_line

CONFIGS = flags.DEFINE_list(
    "configs", [], "Transfers to run: config files, each with a preset after a colon or without."
)
OUTPUTS = flags.DEFINE_list("outputs", [], "Folders of outputs to measure, TRIPLE.wav in each.")
TRIPLES = flags.DEFINE_list(
    "triples",
    ["tuning"],
    "Names of triples, or tuning, held_out or all. Choose nothing by those that are held out.",
)
WORKDIR = flags.DEFINE_string(
    "workdir", "results/known_truth", "Folder that keeps the recordings and the outputs."
)
ANCHORS = flags.DEFINE_bool("anchors", True, "Measure content, style, equalisers and so on, too.")
CHEATS = flags.DEFINE_bool("cheats", False, "Measure noise, silence, blurred content and so on.")
JUDGE = flags.DEFINE_bool("judge", False, "Ask the judge, too, and compare its score with truth.")
SOUNDFONT = flags.DEFINE_string(
    "soundfont", "/usr/share/sounds/sf2/FluidR3_GM.sf2", "Soundfont that plays the triples."
)
OTHER_SOUNDFONT = flags.DEFINE_string(
    "other_soundfont", "/usr/share/sounds/sf2/TimGM6mb.sf2", "Soundfont of other_soundfont."
)


def main() -> None:
    """Render, transfer, measure and print."""
    # Not before flags are parsed: `--help` and mistyped flags do not wait for these imports.
    from research.benchmarks.known_truth import benchmark, pieces, render
    from research.errors import InputError
    from research.files import expand

    triples = pieces.select(TRIPLES.value)
    if not (ANCHORS.value or CHEATS.value or CONFIGS.value or OUTPUTS.value):
        raise InputError("there is nothing to measure; give --configs or --outputs, or --anchors")
    workdir = expand(WORKDIR.value)
    folders = [expand(folder) for folder in OUTPUTS.value]
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"--outputs={folder} is not a folder; give one with TRIPLE.wav in it")
    presets, own = benchmark.name_rows(CONFIGS.value, folders)
    configs = dict(zip(presets, map(benchmark.load_config, CONFIGS.value), strict=True))
    outputs = dict(zip(own, folders, strict=True))
    groups: dict[str, dict[str, benchmark.Rows]] = {}
    for triple in triples:
        rendered = render.render_triple(triple, workdir, (SOUNDFONT.value, OTHER_SOUNDFONT.value))
        rows = benchmark.measure_triple(
            triple,
            rendered,
            configs,
            outputs,
            workdir,
            with_anchors=ANCHORS.value,
            with_cheats=CHEATS.value,
            with_judge=JUDGE.value,
        )
        group = "held_out" if triple.held_out else "tuning"
        groups.setdefault(group, {})[triple.name] = rows
        print(benchmark.table(triple.name, rows), "\n", flush=True)
    by_triple = {}
    means = {}
    correlations = {}
    for group, measured in groups.items():
        means[group] = benchmark.summarise(measured.values())
        print(benchmark.summary_table(f"mean of {len(measured)} {group}", means[group]), "\n")
        by_triple |= {name: benchmark.as_json(rows) for name, rows in measured.items()}
        if JUDGE.value:
            correlations[group] = benchmark.summarise_correlations(measured.values())
            if correlations[group]:
                row = {"score": correlations[group]}
                print(benchmark.summary_table("rank correlation with", row), "\n")
    printed = {"means": means, "triples": by_triple}
    print(json.dumps(printed | ({"correlations": correlations} if JUDGE.value else {})))


if __name__ == "__main__":
    command_line.run(main)

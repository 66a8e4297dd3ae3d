"""Transfer the style of one piece of music to another.

    python run_transfer.py --content=melody.wav --style=band.mp3 --output=out.wav

Without both `--content` and `--style`, a piano minuet meets a funk-rock band, both shipped. A style
may be an audio file, a style file that `--mode=style` made of several, or a mix by weights:

    python run_transfer.py --mode=style --style=records/ --output=records.npz
    python run_transfer.py --content=melody.wav --style=records.npz:0.7,band.mp3:0.3

Several contents, styles and values of weights are a sweep, optimised side by side:

    python run_transfer.py --content=songs/ --style=a.wav,b.wav --config.sweep.style_amount=0.5,1
    python run_transfer.py --mode=compare --input=results/one,results/other

In the browser:

    python run_transfer.py --mode=app
"""

import pathlib

from research import command_line
from research.command_line import config_flags, flags

CLIPS = pathlib.Path(__file__).parent / "research" / "clips"
FLAGS_OF = {
    "transfer": ("config", "content", "style", "pairs", "output", "preview", "workdir"),
    "style": ("config", "style", "output"),
    "compare": ("input", "workdir"),
    "app": ("workdir", "host", "port", "upload_mb", "browser"),
}

CONFIG = command_line.define_config(pathlib.Path(__file__).parent / "configs" / "transfer.py")
CONTENT = flags.DEFINE_string(
    "content",
    str(CLIPS / "piano.ogg"),
    "Audio file that gives melody, harmony and rhythm; a folder, or several, for several takes.",
)
STYLE = flags.DEFINE_string(
    "style",
    str(CLIPS / "band.ogg"),
    "What gives timbre and texture: an audio file, a style file (.npz), or a mix by weights, "
    "a.wav:0.7,b.npz:0.3; a folder, or several without weights, for several takes.",
)
PAIRS = flags.DEFINE_string(
    "pairs", None, "Table of a content and a style a line, with a tab between, for several takes."
)
OUTPUT = command_line.define_path(
    "output",
    None,
    "Audio file to write, besides WORKDIR/output.wav; the style file of --mode=style.",
)
PREVIEW = command_line.define_path(
    "preview", None, "Audio file for the start of an optimisation, and then the best so far."
)
INPUT = flags.DEFINE_list("input", [], "Workdirs of runs, for --mode=compare.")
MODE = flags.DEFINE_enum(
    "mode",
    "transfer",
    list(FLAGS_OF),
    "Transfer; save the description of a style; put runs into one table; or open a page in the "
    "browser to do it there.",
)
WORKDIR = command_line.define_path(
    "workdir", None, "Folder of the results: results/transfer, sweep, compare or app by default."
)
HOST = flags.DEFINE_string("host", "127.0.0.1", "Address that --mode=app listens on.")
PORT = flags.DEFINE_integer(
    "port", None, "Port of --mode=app; 8421 by default, or a free one.", 1, 65535
)
UPLOAD_MB = flags.DEFINE_float("upload_mb", 500.0, "Largest recording of --mode=app, MB.", 0.001)
BROWSER = flags.DEFINE_bool("browser", True, "Open the page of --mode=app in a browser.")


def main() -> None:
    """Call the command of the mode."""
    # Not before flags are parsed: `--help` and mistyped flags do not wait for these imports.
    from research import processes
    from research.errors import InputError
    from research.settings import freeze
    from research.transfer import commands
    from research.transfer.config import TransferConfig, check_applies
    from research.transfer.pairs import find_pairs, load_pairs

    command_line.check_flags(MODE.value, FLAGS_OF)
    if MODE.value != "transfer":
        processes.check_one(f"--mode={MODE.value}")
    if MODE.value == "app":
        from research.app.server import serve

        workdir = pathlib.Path(WORKDIR.value or "results/app")
        serve(workdir, HOST.value, PORT.value, UPLOAD_MB.value, BROWSER.value)
    elif MODE.value == "compare":
        runs = [name.strip() for name in INPUT.value if name.strip()]
        if not runs:
            raise InputError("--mode=compare needs --input; give workdirs of runs, commas between")
        commands.compare(runs, WORKDIR.value)
    elif MODE.value == "style":
        if OUTPUT.value is None:
            raise InputError("--mode=style needs --output, an .npz file to write")
        if not STYLE.present:
            raise InputError("--mode=style needs --style; give audio files, or a folder of them")
        commands.save_style(OUTPUT.value, STYLE.value, freeze(TransferConfig, CONFIG.value))
    else:
        config = freeze(TransferConfig, CONFIG.value)
        check_applies(config, config_flags.get_override_values(flags.FLAGS["config"]))
        if PAIRS.value is None:
            if bool(CONTENT.present) != bool(STYLE.present):
                missing = "style" if CONTENT.present else "content"
                raise InputError(
                    f"--{missing} is missing; give --content and --style, or neither for the "
                    "shipped piano and band"
                )
            pairs = find_pairs(CONTENT.value, STYLE.value)
        elif CONTENT.present or STYLE.present:
            raise InputError("--pairs names contents and styles; leave out --content and --style")
        else:
            pairs = load_pairs(PAIRS.value)
        commands.transfer(config, pairs, WORKDIR.value, OUTPUT.value, PREVIEW.value)


def run() -> None:
    """Parse the command line and call `main`: the command that is installed."""
    command_line.run(main, for_workers="research.report.programs")


if __name__ == "__main__":
    run()

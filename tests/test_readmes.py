"""The READMEs: their links lead somewhere, and their commands have flags and keys that exist."""

import json
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT

READMES = sorted(file for file in ROOT.glob("**/README.md") if ".venv" not in file.parts)
# Parses each of several command lines as the script does, up to its frozen config. Keys of the
# config are looked for in sys.argv where flags are defined, hence a process for each line.
_DRIVER = """
import json, os, sys
script = sys.argv[1]
from absl import flags
from configs import ablation_loss_weights
from research import command_line
from research.settings import freeze
from research.training.config import TrainConfig
from research.transfer.config import TransferConfig
config_class = TrainConfig if script == "run_train.py" else TransferConfig
for line in json.load(sys.stdin):
    child = os.fork()
    if not child:
        sys.argv = [script, *line]
        __import__(script.removesuffix(".py"))
        rest = flags.FLAGS(sys.argv)
        freeze(config_class, flags.FLAGS.config)
        os._exit(0 if rest == [script] else 1)
    if os.waitpid(child, 0)[1]:
        print(*line)
"""


def commands(script: str) -> list[list[str]]:
    """Arguments of every command of a script in the READMEs, loops of the shell unrolled."""
    found = []
    for readme in READMES:
        text = readme.read_text().replace("\\\n", " ").split("## Recipes")[0]  # Of new members.
        for line in re.findall(rf"[ /]{re.escape(script)}((?: [^\n`|]+)?)(?=`|\n|$)", text):
            line = line.split("&&")[0].split(" #")[0]
            for network in ("multi_channel", "single_channel") if "$" in line else ("",):
                found.append(shlex.split(re.sub(r"\$\{?network\}?", network, line)))
    return [line for line in found if line and all(word.startswith("--") for word in line)]


@pytest.mark.parametrize(("script", "least"), [("run_train.py", 20), ("run_transfer.py", 10)])
def test_every_command_has_flags_and_keys_that_exist(script, least):
    lines = commands(script)
    assert len(lines) >= least
    result = subprocess.run(
        [sys.executable, "-c", _DRIVER, script],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert (result.returncode, result.stdout) == (0, ""), result.stderr[-2000:]


@pytest.mark.parametrize("readme", READMES, ids=lambda file: str(file.parent.relative_to(ROOT)))
def test_links_and_modules_exist(readme):
    text = readme.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not target.startswith("http"):
            path, _, anchor = target.partition("#")
            file = (readme.parent / path).resolve() if path else readme
            assert file.exists(), target
            if anchor:
                assert anchor in anchors(file), target
    for module in re.findall(r"python -m (research[\w.]+)", text):
        file = ROOT / pathlib.Path(*module.split("."))
        assert file.with_suffix(".py").is_file() or (file / "__main__.py").is_file(), module


def anchors(file: pathlib.Path) -> set[str]:
    """Anchors of the headings of a Markdown file, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_first_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 170

"""Figures are drawn on any machine, with names as they are."""

import os
import subprocess
import sys

from conftest import ROOT
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from research.report.confusion import draw_confusion
from research.report.training_curves import draw_curves

NAMES = ("Joey Bada$$", "Ke$ha & A$AP", r"$\frac$", "a_b^c")


def test_names_are_drawn_as_they_are(tmp_path, monkeypatch):
    saved, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *a, **k: (saved.append(figure), save(figure, *a, **k))
    )
    draw_confusion(tmp_path / "confusion.png", [[1] * 4] * 4, NAMES, "a $b$ $")
    entry = {"epoch": 1, "loss": 1.0, "accuracy": 0.5}
    draw_curves(tmp_path / "curves.png", [{"fit": NAMES[2], **entry}])
    for figure, name in zip(saved, ("confusion.png", "curves.png"), strict=True):
        texts = [text for text in figure.findobj(Text) if "$" in text.get_text()]
        assert texts and not any(text.get_parse_math() for text in texts)
        Image.open(tmp_path / name).verify()


def test_a_backend_that_is_not_installed_does_not_matter_to_a_script(tmp_path):
    """Notebooks set the backend for all programs that they start."""
    program = (
        "import sys; sys.argv = ['x']\n"
        "from research import command_line\n"
        "from research.report.confusion import draw_confusion\n"
        "command_line.define_config('configs/transfer.py')\n"
        f"command_line.run(lambda: draw_confusion('{tmp_path / 'a.png'}', [[1]], ['a'], ''))\n"
    )
    environment = os.environ | {"MPLBACKEND": "module://not_installed.backend"}
    subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, check=True)
    Image.open(tmp_path / "a.png").verify()

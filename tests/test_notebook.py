"""The notebook, from top to bottom, as a program of its own."""

import json
import subprocess
import sys

from conftest import ROOT

NOTEBOOK = ROOT / "research" / "notebooks" / "tour.ipynb"


def code() -> str:
    """The cells of code but for the one that installs."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    installing = [cell for cell in cells if "install" in cell["metadata"].get("tags", ())]
    assert cells[:1] == installing
    assert "requirements.txt" in "".join(installing[0]["source"])
    return "\n".join("".join(cell["source"]) for cell in cells[1:])


def test_it_runs_from_top_to_bottom(script_environment, tmp_path):
    ends = """
assert verdicts[0].style_reached < verdicts[-1].style_reached
assert minimum.loss < 0.5 * minimum.history[0].loss
assert np.abs(output - content).max() > 0.1 and output.shape == content.shape
assert sum(map(sum, results["confusion"])) == results["num_tested"] == 10
"""
    # Half of the seconds, so that it takes less.
    text = code().replace("stop=5 *", "stop=2 *").replace("3 * rate", "rate")
    script = tmp_path / "tour.py"
    script.write_text(f"PROJECT = {str(ROOT)!r}\n{text}{ends}")
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(script)],
        capture_output=True,
        text=True,
        env=script_environment | {"MPLBACKEND": "agg"},
        cwd=tmp_path,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "synthetic" in done.stdout


def test_it_is_committed_without_outputs():
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None

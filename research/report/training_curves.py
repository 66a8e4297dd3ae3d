"""Figure of the loss and accuracy of trainings over epochs."""

import os
from collections.abc import Sequence
from typing import Any

from research.report.figures import draw_png


def draw_curves(path: str | os.PathLike, log: Sequence[dict[str, Any]]) -> None:
    """Draw loss and accuracy over epochs as a PNG, one colour per fit, validation dashed.

    Args:
      path: the PNG file.
      log: the objects of `metrics.jsonl`, with `fit`, `epoch`, `loss`, `accuracy` and, where the
        fit was validated, `validation_loss` and `validation_accuracy`.

    Raises:
      InputError: the file cannot be written.
    """
    fits = list(dict.fromkeys(entry["fit"] for entry in log))
    with draw_png(path, (10, 4), num_columns=2) as (_, axes):
        for panel, name in zip(axes, ("loss", "accuracy"), strict=True):
            for number, fit in enumerate(fits):
                entries = [entry for entry in log if entry["fit"] == fit]
                epochs = [entry["epoch"] for entry in entries]
                color = f"C{number % 10}"
                panel.plot(epochs, [entry[name] for entry in entries], ".-", color=color, label=fit)
                validated = [entry for entry in entries if f"validation_{name}" in entry]
                panel.plot(
                    [entry["epoch"] for entry in validated],
                    [entry[f"validation_{name}"] for entry in validated],
                    ".--",
                    color=color,
                )
            panel.set(xlabel="epoch", title=f"{name} (dashed: validation)", ylim=(0, None))
        axes[1].set_ylim(0, 1)
        if len(fits) <= 10:
            axes[1].legend(fontsize="small")

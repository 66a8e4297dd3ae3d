"""What the weight of the style does: sixteen takes of a pair, on one page.

    python run_transfer.py --config=configs/ablation_loss_weights.py --workdir=results/ablation
    python run_transfer.py --config=configs/ablation_loss_weights.py:ulyanov

`--config.sweep.style_weight=0.1,1,10` takes the place of what is swept here, and so does `None`.
"""

from ml_collections import ConfigDict

from configs import transfer

_FACTORS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 10.0)


def get_config(preset: str = "default") -> ConfigDict:
    """A preset of `configs/transfer.py` at eight weights of the style, each with two seeds."""
    config = transfer.get_config(preset)
    config.sweep.style_weight = tuple(round(config.style_weight * factor, 9) for factor in _FACTORS)
    config.sweep.seed = (0, 1)
    return config

"""What the style weight does: sixteen takes of a pair, on one page.

    python run_transfer.py --config=configs/ablation_loss_weights.py --workdir=results/ablation
    python run_transfer.py --config=configs/ablation_loss_weights.py:ulyanov

Each preset of `configs/transfer.py` that minimises a loss, at eight style weights, with two seeds
where something is random.
`--config.sweep.style_weight=0.1,1,10` sweeps other values, and `None` none.
"""

import dataclasses

from ml_collections import ConfigDict

from configs import presets, transfer
from research.transfer.config import SweepConfig, TransferConfig

_FACTORS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 10.0)


def _sweep(config: TransferConfig) -> TransferConfig:
    weights = tuple(round(config.style_weight * factor, 9) for factor in _FACTORS)
    seeds = (0, 1) if config.is_random else None
    return dataclasses.replace(config, sweep=SweepConfig(style_weight=weights, seed=seeds))


PRESETS = {
    name: _sweep(config) for name, config in transfer.PRESETS.items() if config.num_iterations
}


def get_config(preset: str = "texture") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return presets.choose(PRESETS, preset)

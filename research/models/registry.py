"""All networks, by the name that `config.model.name` gives."""

from research.models.base import NetworkConfig
from research.models.mlp import MlpConfig
from research.models.multi_channel import MultiChannelConfig
from research.models.residual import ResidualConfig
from research.models.single_channel import SingleChannelConfig

NETWORKS: dict[str, type[NetworkConfig]] = {
    config.name: config
    for config in (
        MultiChannelConfig,
        SingleChannelConfig,
        ResidualConfig,
        MlpConfig,
    )
}

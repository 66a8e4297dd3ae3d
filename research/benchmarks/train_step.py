"""One training step of each classifier, batch 32 of 5 s segments, compared with PyTorch.

    python -m research.benchmarks.train_step

A step is forward, backward and Adam on a batch that is on the device in single precision. PyTorch
uses its default memory layout and, for images, also `channels_last`, which is faster on some
machines. The floor is one square matrix product with as many multiplications as the network. First,
without dropout, the losses of three steps are compared with those of PyTorch.
"""

import dataclasses
import itertools
from collections.abc import Callable

import jax
import numpy as np

from research import signals
from research.benchmarks.race import race
from research.models.multi_channel import MultiChannelConfig
from research.models.network import Network
from research.models.single_channel import SingleChannelConfig
from research.training.loop import StepConfig, start_state, train_step, widen
from research.training.optimiser import LearningRate
from research.training.sharding import make_mesh, replicate, shard

BATCH, CLASSES, LEARNING_RATE = 32, 10, 1e-3
RACES = {
    "multi_channel": (MultiChannelConfig(), (216, 1025), "contiguous_format"),
    "single_channel": (SingleChannelConfig(), (257, 257), "contiguous_format"),
    "single_channel, PyTorch in channels_last": (
        SingleChannelConfig(),
        (257, 257),
        "channels_last",
    ),
}


def main() -> None:
    """Compare the losses, then the speed."""
    for name, (config, shape, layout) in RACES.items():
        random = np.random.default_rng(0)
        spectrogram = np.log1p(random.gamma(0.5, 2.0, (BATCH, *shape))).astype(np.float16)
        label = random.integers(0, CLASSES, BATCH).astype(np.int32)
        data = spectrogram, label
        dry = dataclasses.replace(config, dropout=0.0)
        theirs = _pytorch(dry, shape, *data, layout)
        if theirs is not None:
            ours = _project(dry, shape, *data)
            np.testing.assert_allclose(
                [ours() for _ in range(3)], [theirs() for _ in range(3)], rtol=5e-3
            )
        entrants = {
            "project": _project(config, shape, *data),
            "librosa": None,
            "pytorch": _pytorch(config, shape, *data, layout),
            "floor": _floor(config, shape),
        }
        race(f"a training step of {name}", entrants, num_rounds=15)
        print()


def _project(config, shape: tuple[int, int], spectrogram, label) -> Callable[[], float]:
    mesh = make_mesh(BATCH)
    network = Network.init(config, shape, CLASSES, seed=0)
    state, key, total = replicate(start_state(network, StepConfig()), mesh), jax.random.key(0), 0.0
    learning_rate = LearningRate.of(LEARNING_RATE, num_steps=1)
    spectrogram, label = widen(shard(spectrogram, mesh)), shard(label, mesh)

    def run() -> float:
        nonlocal state, total
        state = train_step(
            state,
            spectrogram,
            label,
            key,
            learning_rate,
            num_classes=CLASSES,
            config=StepConfig(),
        )
        before, total = total, float(state.totals["loss"])
        return (total - before) / BATCH

    return run


def _pytorch(
    config, shape: tuple[int, int], spectrogram, label, layout: str
) -> Callable[[], float] | None:
    try:
        import torch  # pyright: ignore[reportMissingImports]
        from torch import nn  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    image = isinstance(config, SingleChannelConfig)
    conv, pool = (nn.Conv2d, nn.MaxPool2d) if image else (nn.Conv1d, nn.MaxPool1d)
    sizes = [1 if image else shape[1], *config.num_filters]
    layers = []
    for num_in, num_out in itertools.pairwise(sizes):
        layers += [conv(num_in, num_out, config.width, padding="same"), nn.ReLU(), pool(2)]
    layers.append(nn.Flatten())
    space = [size // 2 ** len(config.num_filters) for size in (shape if image else shape[:1])]
    flat = int(np.prod(space)) * sizes[-1]
    if image:
        layers += [nn.Dropout(config.dropout), nn.Linear(flat, config.num_features), nn.ReLU()]
        flat = config.num_features
    layers += [nn.Dropout(config.dropout), nn.Linear(flat, CLASSES)]
    network = nn.Sequential(*layers)

    ours = jax.device_get(Network.init(config, shape, CLASSES, seed=0).variables.params)
    flattened = (*space, sizes[-1])
    trained = [layer for layer in network if hasattr(layer, "weight")]
    ours = [ours["convs"][i] for i in ours["convs"]] + [
        ours[name] for name in ("hidden", "head") if name in ours
    ]
    for layer, params in zip(trained, ours, strict=True):
        kernel = np.asarray(params["kernel"])
        if kernel.ndim > 2:
            kernel = np.moveaxis(kernel, (-1, -2), (0, 1))
        else:  # PyTorch flattens channels first.
            if len(kernel) == np.prod(flattened):
                kernel = np.moveaxis(kernel.reshape(*flattened, -1), -2, 0)
            kernel = kernel.reshape(-1, kernel.shape[-1]).T
        layer.weight.data = torch.tensor(kernel.copy())
        layer.bias.data = torch.tensor(np.array(params["bias"]))

    network.to(device, memory_format=getattr(torch, layout))
    batch = torch.tensor(spectrogram.astype(np.float32), device=device)
    batch = batch[:, None] if image else batch.transpose(1, 2)
    batch = batch.contiguous(memory_format=getattr(torch, layout))
    target = torch.tensor(label, dtype=torch.long, device=device)
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)

    def run() -> float:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(batch), target)
        loss.backward()
        optimiser.step()
        return loss.item()

    return run


def _floor(config, shape: tuple[int, int]) -> Callable[[], object]:
    image = isinstance(config, SingleChannelConfig)
    space, channels, products = shape if image else shape[:1], 1 if image else shape[1], 0
    for i, num_out in enumerate(config.num_filters):
        taps = config.width ** len(space)
        passes = 2 if i == 0 else 3  # Nothing needs the gradient of the spectrogram.
        products += passes * BATCH * int(np.prod(space)) * taps * channels * num_out
        space, channels = [size // 2 for size in space], num_out
    widths = [int(np.prod(space)) * channels, CLASSES]
    if image:
        widths.insert(1, config.num_features)
    products += sum(3 * BATCH * a * b for a, b in itertools.pairwise(widths))
    side = round(products ** (1 / 3))
    square = jax.random.normal(jax.random.key(0), (side, side))
    product = jax.jit(lambda a: a @ a)
    return lambda: product(square).block_until_ready()


if __name__ == "__main__":
    with signals.unwinding():
        main()

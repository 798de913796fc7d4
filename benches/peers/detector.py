"""Veraray's detector in PyTorch, with the weights of `veraray-train export --format safetensors`.

Written as one would for speed: batch normalisation folded into the convolutions, block DCTs as a
convolution of stride eight.
"""

import json
import math

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

BLOCK = 8
# Knots of the noise level function, and the cells that the tile's mean weighs as much as at each.
KNOTS = 17
PRIOR = 2.0
# Horizontal, vertical and diagonal differences and the second-order residual.
RESIDUALS = [
    [[0, 0, 0], [0, -1, 1], [0, 0, 0]],
    [[0, 0, 0], [0, -1, 0], [0, 1, 0]],
    [[0, 0, 0], [0, -1, 0], [0, 0, 1]],
    [[-0.25, 0.5, -0.25], [0.5, -1, 0.5], [-0.25, 0.5, -0.25]],
]


def dct_kernels():
    """The orthonormal two-dimensional DCT-II, `[64, 1, 8, 8]`."""
    position = torch.arange(BLOCK, dtype=torch.float64)
    wave = torch.cos(math.pi * (2 * position[None, :] + 1) * position[:, None] / (2 * BLOCK))
    wave *= math.sqrt(2 / BLOCK)
    wave[0] /= math.sqrt(2)
    return torch.einsum("vy,ux->vuyx", wave, wave).reshape(BLOCK**2, 1, BLOCK, BLOCK).float()


class Detector(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.weights = weights
        self.stem = self.conv("spatial.stem", 2)
        self.stages = nn.ModuleList()
        while f"spatial.stages.{len(self.stages)}.reduce.conv.weight" in weights:
            name = f"spatial.stages.{len(self.stages)}"
            self.stages.append(
                nn.ModuleList(
                    [
                        self.conv(f"{name}.reduce", 2),
                        self.conv(f"{name}.first", 1),
                        self.conv(f"{name}.second", 1),
                    ]
                )
            )
        self.local = self.conv("frequency.local", 1)
        self.levels = None
        if "frequency.levels.conv.weight" in weights:
            self.levels = self.conv("frequency.levels", 1)
        self.fuse = self.conv("fuse", 1)
        self.statistics = self.linear("frequency.global")
        self.logit = self.linear("logit")
        self.map = nn.Conv2d(weights["map.weight"].shape[1], 1, 1)
        self.map.weight.data = weights["map.weight"]
        self.map.bias.data = weights["map.bias"]
        self.context = None
        if "context.weight" in weights:
            self.context = self.linear("context")
            gamma, beta, mean, variance = (
                weights[f"frequency.normal.{part}"] for part in ("gamma", "beta", "running_mean", "running_var")
            )
            gain = gamma / torch.sqrt(variance + 1e-5)
            self.register_buffer("normal", torch.stack([gain, beta - mean * gain]))
        self.register_buffer("residuals", torch.tensor(RESIDUALS)[:, None])
        self.register_buffer("dct", dct_kernels())
        self.register_buffer("knots", torch.arange(KNOTS, dtype=torch.float32))
        del self.weights

    def conv(self, name, stride):
        """A convolution with its batch normalisation folded in."""
        kernel = self.weights[f"{name}.conv.weight"].double()
        gamma, beta, mean, variance = (
            self.weights[f"{name}.norm.{part}"].double()
            for part in ("gamma", "beta", "running_mean", "running_var")
        )
        gain = gamma / torch.sqrt(variance + 1e-5)
        outputs, inputs, side, _ = kernel.shape
        conv = nn.Conv2d(inputs, outputs, side, stride, side // 2)
        conv.weight.data = (kernel * gain[:, None, None, None]).float()
        conv.bias.data = (beta - mean * gain).float()
        return conv

    def linear(self, name):
        weight = self.weights[f"{name}.weight"]
        linear = nn.Linear(*weight.shape, bias=f"{name}.bias" in self.weights)
        linear.weight.data = weight.t().contiguous()
        if linear.bias is not None:
            linear.bias.data = self.weights[f"{name}.bias"]
        return linear

    def magnitudes(self, pixels):
        coefficients = F.conv2d(pixels, self.dct, stride=BLOCK)
        return 0.5 * (torch.log(coefficients.abs() + 2e-3) + 4.0)

    def excess(self, places, pixels):
        """What places exceed the tile's noise level function by, a function linear between 17 knots."""
        batch, coefficients, rows, columns = places.shape
        brightness = F.avg_pool2d(pixels, 2 * BLOCK).reshape(batch, -1, 1).clamp(0.0, 1.0)
        weights = F.relu(1.0 - (brightness * (KNOTS - 1) - self.knots).abs())
        values = places.flatten(2)
        sums = values @ weights + PRIOR * values.mean(2, keepdim=True)
        usual = (sums / (weights.sum(1, keepdim=True) + PRIOR)) @ weights.transpose(1, 2)
        return (4.0 * (values - usual)).reshape(batch, coefficients, rows, columns)

    def forward(self, pixels):
        """`[batch, 1, height, width]` in [0, 1] → logits `[batch]`, map `[batch, rows, columns]`."""
        residuals = (F.conv2d(pixels, self.residuals, padding=1) * 30.0).clamp(-1.0, 1.0)
        x = F.relu(self.stem(torch.cat([pixels * 2.0 - 1.0, residuals], 1)))
        for reduce, first, second in self.stages:
            x = F.relu(reduce(x))
            x = F.relu(second(F.relu(first(x))) + x)
        aligned = self.magnitudes(pixels)
        half = BLOCK // 2
        shifted = self.magnitudes(pixels[:, :, half:-half, half:-half])
        blocks = torch.cat([aligned.flatten(2), shifted.flatten(2)], 2)
        mean = blocks.mean(2)
        spread = torch.sqrt(blocks.var(2, correction=0) + 1e-6)
        statistics = torch.cat([mean, spread], 1)
        places = F.avg_pool2d(aligned, 2)
        local = [F.relu(self.local(places))]
        if self.levels is not None:
            local.append(F.relu(self.levels(self.excess(places, pixels))))
        fused = self.fuse(torch.cat([x, *local], 1))
        if self.context is None:
            tile = F.relu(self.statistics(statistics))
        else:
            statistics = statistics * self.normal[0] + self.normal[1]
            tile = F.leaky_relu(self.statistics(statistics), 0.1)
            whole = self.context(torch.cat([x.mean((2, 3)), statistics], 1))
            fused = fused + whole[:, :, None, None]
        fused = F.relu(fused)
        features = torch.cat([fused.mean((2, 3)), fused.amax((2, 3)), tile], 1)
        return self.logit(features).squeeze(1), self.map(fused).squeeze(1)


def load(path):
    """The network and its card from a safetensors file."""
    with safe_open(path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
        card = json.loads(file.metadata()["veraray.card"])
    return Detector(weights).eval(), card

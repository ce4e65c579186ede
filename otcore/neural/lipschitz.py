"""Functions that are 1-Lipschitz by construction, and penalties for functions that are not: separate, reusable parts.

A module that knows a bound on its Lipschitz constant says so by ``lipschitz_bound()``; a penalty is called
as ``penalty(u, x, y, generator)``, a projection as ``project(u)`` after every step.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from otcore.neural.options import Side

__all__ = [
    "Clip",
    "Funnel",
    "GradientPenalty",
    "GroupSort",
    "LipschitzMLP",
    "ProjectedFunnel",
    "Standardised",
    "frozen",
    "mlp",
]

SVD_SLACK = 1 + 1e-12  # the singular values of a 128 x 128 matrix are computed to about 1e-14
TILE = 1 << 22  # distances held at once, on a GPU or as exact differences: 32 MB in float64
CACHED = 1 << 18  # on a processor: 1 MB in float32


class GroupSort(nn.Module):
    """Sort neighbouring entries, ``group`` at a time: 1-Lipschitz, and the gradient keeps its norm.  [Anil 2019]

    Parameters
    ----------
    group : int, 2 for MaxMin; None sorts the whole layer (FullSort)
    """

    def __init__(self, group: int | None = 2) -> None:
        super().__init__()
        self.group = group

    def forward(self, z: Tensor) -> Tensor:
        if self.group == 2:  # pairs (k, k + h); exact up to rounding, in a third of the time of minimum and maximum
            low, high = z.tensor_split(2, dim=-1)
            excess = torch.relu(low - high)
            return torch.cat([low - excess, high + excess], dim=-1)
        if self.group is None:
            return z.sort(dim=-1).values
        return z.unflatten(-1, (-1, self.group)).sort(dim=-1).values.flatten(-2)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "maxmin": GroupSort,
    "fullsort": lambda: GroupSort(None),
    "relu": nn.ReLU,
}


def mlp(dim: int, hidden: Sequence[int], activation: str, generator: Generator) -> nn.Sequential:
    """A network d -> hidden -> 1 with He's initialisation from an explicit generator."""
    layers: list[nn.Module] = []
    widths = (dim, *hidden, 1)
    for fan_in, fan_out in pairwise(widths):
        linear = nn.utils.skip_init(nn.Linear, fan_in, fan_out)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu", generator=generator)
        nn.init.uniform_(linear.bias, -(fan_in**-0.5), fan_in**-0.5, generator=generator)
        layers += [linear, ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


class LipschitzMLP(nn.Module):
    """A network whose layers have spectral norm at most 1 (up to rounding, which ``lipschitz_bound`` counts).

    Parameters
    ----------
    dim : int, dimension d of the points
    hidden : widths of the hidden layers
    constraint : {"orthogonal", "spectral"}
        Orthogonal layers (Cayley's map) [Anil 2019], or a division by the power iteration's estimate of the norm,
        which also lets the other singular values shrink [Miyato 2018].
    activation : {"maxmin", "fullsort", "relu"}
    generator : torch.Generator
    """

    def __init__(
        self,
        dim: int,
        hidden: Sequence[int] = (128, 128),
        constraint: str = "orthogonal",
        activation: str = "maxmin",
        *,
        generator: Generator,
    ) -> None:
        super().__init__()
        self.layers = mlp(dim, hidden, activation, generator)
        seed = int(torch.randint(1 << 31, (), generator=generator))
        with torch.random.fork_rng(devices=[]):  # torch fills up rectangular matrices from its global generator
            torch.manual_seed(seed)
            for layer in self.linears():
                if constraint == "orthogonal":
                    nn.init.orthogonal_(layer.weight)
                    parametrizations.orthogonal(layer, orthogonal_map="cayley")
                else:
                    parametrizations.spectral_norm(layer)

    def linears(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).squeeze(-1)

    @torch.no_grad()
    def lipschitz_bound(self) -> float:
        """Product of the layers' largest singular values, by SVD in float64."""
        bound = 1.0
        for layer in self.linears():
            bound *= float(torch.linalg.matrix_norm(layer.weight.double().cpu(), 2)) * SVD_SLACK
        return bound


class Funnel(nn.Module):
    """``u(z) = max_k -|z - a_k| - b_k``: the semi-discrete potential, made trainable.  [Hartmann 2020]

    A maximum of 1-Lipschitz functions is 1-Lipschitz.  The winner is found from inner products, which is fast
    and may confuse near ties; its value and gradient are those of the difference itself, since a distance
    from inner products has gradients of norm up to 1.5 near a centre.

    What is trained is not b_k but ``offsets``, ``b_k = offsets_k - s h(a_k)`` with h the typical distance from the
    cloud.  In high dimension all points are about as far from a centre, one that moves inwards comes nearer to all of
    them, and with b_k held it soon wins every point; the others, who win none, never move again.

    Parameters
    ----------
    centres : (K, d) tensor a_k, for example samples of P
    side : {"x", "y"}
        Peaks where P is, or the mirror image ``min_k |z - a_k| + b_k``, basins where Q is.
    share : float, optional
        s, by default the spacing ``K^(-1/d)`` of K points: nearly 0 in the plane, where centres move among their
        neighbours only, and nearly 1 in high dimension.  0 lets the best funnels win all.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, centres: Tensor, side: Side = "x", share: float | None = None) -> None:
        super().__init__()
        self.sign = 1.0 if side == "x" else -1.0
        self.centres = nn.Parameter(centres.clone())
        self.offsets = nn.Parameter(centres.new_zeros(centres.shape[0]))
        self.register_buffer("middle", centres.mean(0))
        self.share = self.spacing if share is None else share
        spread = torch.linalg.vector_norm(centres - self.middle) * len(centres) ** -0.5
        self.register_buffer("spread", spread.clamp(min=torch.finfo(spread.dtype).tiny))

    @property
    def spacing(self) -> float:
        """Of K points in a ball of radius 1."""
        k, d = self.centres.shape
        return float(k ** (-1 / d))

    def heights(self) -> Tensor:
        """(K,) b_k."""
        typical = torch.hypot(torch.linalg.vector_norm(self.centres - self.middle, dim=1), self.spread)
        return self.offsets - self.share * typical

    def forward(self, z: Tensor) -> Tensor:
        heights = self.heights()
        cached = z.device.type == "cpu" and z.dtype == torch.float32
        tiles = z.split(max(1, (CACHED if cached else TILE) // heights.numel()))
        winner = torch.cat([self.winner(tile, heights) for tile in tiles])
        a, b = self.centres.index_select(0, winner), heights.index_select(0, winner)
        return -self.sign * (torch.linalg.vector_norm(z - a, dim=-1) + b)

    @torch.no_grad()
    def winner(self, z: Tensor, heights: Tensor) -> Tensor:
        """(n,) index of the funnel that attains the maximum."""
        a = self.centres
        if a.dtype == torch.float64:  # reported values: exact differences
            distance = torch.cdist(z, a, compute_mode="donot_use_mm_for_euclid_dist")
        else:
            distance = torch.addmm((z * z).sum(1, keepdim=True) + (a * a).sum(1), z, a.T, alpha=-2)
            distance.clamp_(min=0).sqrt_()
        return distance.add_(heights).argmin(dim=1)

    def lipschitz_bound(self) -> float:
        return 1.0

    def parameter_groups(self, lr: float) -> list[dict[str, object]]:
        """Steps on standardised points: those of the centres lie between the cloud's size and the points' spacing.

        Offsets learn ten times more slowly than the largest of these: faster, and a few funnels swallow the others.
        """
        return [{"params": [self.centres], "lr": lr * self.spacing**0.5}, {"params": [self.offsets], "lr": 0.1 * lr}]


class ProjectedFunnel(nn.Module):
    """A funnel of ``W z`` with a trained contraction W: funnels that are flat along some directions.

    A distance in d dimensions cannot forget the directions in which nothing moves; W learns to, and its
    singular values then show the subspace that the transport lives in.

    Parameters
    ----------
    centres : (K, d) tensor
    side : {"x", "y"}
    """

    def __init__(self, centres: Tensor, side: Side = "x") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(centres.shape[1], dtype=centres.dtype, device=centres.device))
        self.funnel = Funnel(centres, side, share=0.0)  # in the few directions that W keeps, few funnels are right

    def forward(self, z: Tensor) -> Tensor:
        values: Tensor = self.funnel(z @ self.weight.T)
        return values

    @torch.no_grad()
    def contract(self) -> None:
        """The nearest matrix of norm at most 1: singular values above 1 become 1."""
        if not bool(torch.isfinite(self.weight).all()):
            return  # the training has diverged, and its next check says so
        U, S, V = torch.linalg.svd(self.weight)
        self.weight.copy_(U * S.clamp(max=1) @ V)

    @torch.no_grad()
    def lipschitz_bound(self) -> float:
        return float(torch.linalg.matrix_norm(self.weight.double().cpu(), 2)) * SVD_SLACK

    def parameter_groups(self, lr: float) -> list[dict[str, object]]:
        return [{"params": [self.weight], "lr": 0.3 * lr}, *self.funnel.parameter_groups(lr)]


class Standardised(nn.Module):
    """``s u((z - c) / s)``: what a module computes on standardised coordinates, in the user's units.

    The Lipschitz constant is unchanged, and so is every gradient.
    """

    centre: Tensor

    def __init__(self, core: nn.Module, centre: Tensor, scale: float) -> None:
        super().__init__()
        self.core, self.scale = core, scale
        self.register_buffer("centre", centre)

    def forward(self, z: Tensor) -> Tensor:
        values: Tensor = self.core((z - self.centre) / self.scale)
        return self.scale * values.reshape(z.shape[0])


class GradientPenalty:
    """``weight * E (|grad u| - 1)^2`` between random pairs of samples.  [Gulrajani 2017, eq. 3]

    Parameters
    ----------
    weight : float, lambda
    one_sided : bool
        Only gradients above 1 count.  [Petzka 2018]
    """

    def __init__(self, weight: float = 10.0, one_sided: bool = False) -> None:
        self.weight, self.one_sided = weight, one_sided

    def __call__(self, u: nn.Module, x: Tensor, y: Tensor, generator: Generator) -> Tensor:
        t = torch.rand(len(x), 1, generator=generator, device=x.device, dtype=x.dtype)
        z = torch.lerp(x, y, t).requires_grad_(True)
        (gradient,) = torch.autograd.grad(u(z).sum(), z, create_graph=True)
        excess = torch.linalg.vector_norm(gradient, dim=1) - 1
        return self.weight * (excess.clamp(min=0) if self.one_sided else excess).square().mean()


class Clip:
    """Every parameter into ``[-bound, bound]``.  [Arjovsky 2017, Alg. 1, line 7]"""

    def __init__(self, bound: float = 0.04) -> None:
        self.bound = bound

    @torch.no_grad()
    def __call__(self, u: nn.Module) -> None:
        for parameter in u.parameters():
            parameter.clamp_(-self.bound, self.bound)


def frozen(u: nn.Module) -> nn.Module:
    """A float64 copy with plain weights in place of parametrised ones: what is certified, reported and evaluated."""
    u = copy.deepcopy(u).eval()
    for parent in list(u.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear) and parametrize.is_parametrized(layer, "weight"):
                plain = nn.utils.skip_init(nn.Linear, layer.in_features, layer.out_features)  # never removed in place:
                plain.weight, plain.bias = nn.Parameter(layer.weight.detach()), layer.bias  # copies share their class
                setattr(parent, name, plain)
    return u.double().requires_grad_(False)

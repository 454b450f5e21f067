"""What a method costs: parameters, multiply-adds, latency on this device, length of the descriptor. No data set is needed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vireidkit.errors import SettingError
from vireidkit.methods import Method, build_method, default_profile, get_recipe, list_methods, method_class, with_overrides
from vireidkit.modality import INFRARED, VISIBLE
from vireidkit.scoring import resolve_device

DATASET = "sysu-mm01"
IDENTITIES = 395  # SYSU-MM01's, training and validation merged
BATCH = 16


@dataclass(frozen=True)
class Cost:
    """One method's cost under one recipe.

    Attributes:
        method, dataset, profile: whose settings and picture size.
        height, width: of a picture; identities: C, which only classifiers depend on.
        parameters: of the whole network in training; parameters_test: those that a descriptor depends on, of both modalities.
        multiply_adds: of one picture's descriptor by torch's flop counter (convolutions and matrix products; twice the network's where
            the method averages a picture with its mirror image).
        descriptor: its length.
        latency_ms: milliseconds of the clock for one picture alone; batch_ms: for each of a batch of ``batch``; medians on ``device``.
        device, threads: where it was measured.
    """

    method: str
    dataset: str
    profile: str
    height: int
    width: int
    identities: int
    parameters: int
    parameters_test: int
    multiply_adds: int
    descriptor: int
    latency_ms: float
    batch_ms: float
    batch: int
    device: str
    threads: int


def cost(
    method: str,
    dataset: str = DATASET,
    profile: str | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    identities: int = IDENTITIES,
    device: str = "auto",
    rounds: int = 5,
    batch: int = BATCH,
) -> Cost:
    """Build a method as its recipe says, with random weights, and measure it.

    Args:
        dataset, profile: of the recipe; None is ``study`` for Twilight and ``paper`` elsewhere.
        overrides: settings of the method or fields of the recipe, such as ``{"image_size": (256, 128)}``.
        identities: C. rounds: timed repetitions, after one that warms up. batch: pictures of the timed batch.

    Raises:
        SettingError: unknown names or values, or no such recipe.
    """
    for name, value in (("identities", identities), ("rounds", rounds), ("batch", batch)):
        if value < 1:
            raise SettingError(f"{name} must be at least 1; found {value}")
    profile = profile or default_profile(dataset)
    recipe, settings = with_overrides(method, get_recipe(method, dataset, profile), overrides or {})
    place = resolve_device(device)
    network = build_method(method, identities, **settings).to(place).eval()
    return Cost(
        method=method,
        dataset=dataset,
        profile=profile,
        height=recipe.image_size[0],
        width=recipe.image_size[1],
        identities=identities,
        **counts(network, recipe.image_size),
        latency_ms=1000 * seconds_of(network, recipe.image_size, 1, rounds),
        batch_ms=1000 * seconds_of(network, recipe.image_size, batch, rounds) / batch,
        batch=batch,
        device=torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
    )


def cost_table(methods: Iterable[str] | None = None, dataset: str = DATASET, profile: str | None = None, **options: Any) -> pd.DataFrame:
    """One row a method, with the columns of ``Cost``. ``methods`` None: all that have this recipe; ``options``: of ``cost``.

    Raises:
        SettingError: as ``cost``, or no method has this recipe.
    """
    chosen = list(methods) if methods is not None else methods_with(dataset, profile)
    if not chosen:
        raise SettingError(f"no method has a recipe for data set {dataset!r} at profile {profile or default_profile(dataset)!r}")
    return pd.DataFrame([asdict(cost(name, dataset, profile, **options)) for name in chosen])


def usual_dataset(method: str) -> str:
    """SYSU-MM01, or for a method that has no recipe for it the first data set with a ``paper`` recipe (else with any)."""
    pairs = method_class(method).recipes
    known = [name for name, profile in pairs if profile == "paper"] or [name for name, _ in pairs]
    return DATASET if DATASET in known or not known else known[0]


def methods_with(dataset: str, profile: str | None) -> list[str]:
    """Methods that have a recipe for this data set and profile."""

    def has(name: str) -> bool:
        try:
            get_recipe(name, dataset, profile)
        except SettingError:
            return False
        return True

    return [name for name in list_methods() if has(name)]


def counts(network: Method, size: tuple[int, int]) -> dict[str, int]:
    """What a method in evaluation mode costs in numbers: the fields of ``Cost`` from ``parameters`` to ``descriptor``."""
    used = used_at_test(network, size)
    one = _pictures(network, size, 1)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        descriptor = network.embed(*one)
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "parameters_test": sum(parameter.numel() for name, parameter in network.named_parameters() if name in used),
        "multiply_adds": counter.get_total_flops() // 2 * (2 if network.flip_average else 1),
        "descriptor": descriptor.shape[1],
    }


def parts_of(network: Method, size: tuple[int, int]) -> pd.DataFrame:
    """Parameters of each direct child of a method, largest first: columns part, parameters, parameters_test."""
    used = used_at_test(network, size)
    rows = []
    for part, module in network.named_children():
        sizes = {f"{part}.{name}": parameter.numel() for name, parameter in module.named_parameters()}
        rows.append(
            {"part": part, "parameters": sum(sizes.values()), "parameters_test": sum(sizes[name] for name in sizes if name in used)}
        )
    found = pd.DataFrame(rows, columns=["part", "parameters", "parameters_test"])
    return found[found["parameters"] > 0].sort_values("parameters", ascending=False, kind="stable").reset_index(drop=True)


def used_at_test(network: Method, size: tuple[int, int], *, codes: tuple[int, ...] = (VISIBLE, INFRARED)) -> set[str]:
    """Names of the parameters that the descriptors depend on, of one picture of each modality in ``codes``."""
    images, _ = _pictures(network, size, len(codes))
    modality = torch.tensor(codes, device=images.device)
    with _all_learning(network), torch.enable_grad():
        named = dict(network.named_parameters())
        total = network.embed(images, modality).sum()
        found = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return {name for name, gradient in zip(named, found, strict=True) if gradient is not None}


@contextmanager
def _all_learning(network: nn.Module) -> Iterator[None]:
    """Every parameter asks for its gradient inside the block, frozen ones too: they serve the descriptor all the same."""
    frozen = [parameter for parameter in network.parameters() if not parameter.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def seconds_of(network: Method, size: tuple[int, int], batch: int, rounds: int) -> float:
    """Median seconds of the clock for the descriptors of ``batch`` pictures, the mirror image included where it counts."""
    images, modality = _pictures(network, size, batch)
    images = images.contiguous(memory_format=torch.channels_last)

    def work() -> None:
        network.embed(images, modality)
        if network.flip_average:
            network.embed(images.flip(-1), modality)

    with torch.no_grad():
        timed(work, images.device)  # the first call allocates and chooses algorithms
        return statistics.median(timed(work, images.device) for _ in range(rounds))


def timed(work: Callable[[], None], device: torch.device) -> float:
    """Seconds of the clock of one call, up to the end of what it started on a GPU."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _pictures(network: nn.Module, size: tuple[int, int], count: int) -> tuple[Tensor, Tensor]:
    """Random visible pictures on the network's device, of its precision, with their modality."""
    like = next(network.parameters())
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, *size, generator=draw).to(like.device, like.dtype)
    return images, torch.full((count,), VISIBLE, device=like.device)

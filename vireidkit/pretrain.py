"""Pretraining of the kit's own small trunks: who is who and who wears what in visible light, on people who are in no data set.

What ImageNet weights are to a ResNet-50 on real pictures, these are to a small trunk on Twilight. Nothing infrared is seen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from vireidkit.data import Augmentation, Batch, Dataset, ImageStore, augment
from vireidkit.data.dataset import fingerprint_of
from vireidkit.data.reading import SUFFIXES
from vireidkit.data.sysu import CAMERAS
from vireidkit.errors import DatasetError, SettingError
from vireidkit.evaluation import evaluate, extract_features, raw_pixel_features
from vireidkit.files import read_json, write_json
from vireidkit.losses import batch_hard_triplet
from vireidkit.methods import Method, Progress
from vireidkit.methods.registry import parse_settings
from vireidkit.modality import VISIBLE
from vireidkit.nn import TRUNKS, BNNeck, GeM, IdentityClassifier, build_trunk, trunk_name
from vireidkit.pretrain_attributes import attributes_of, level_counts
from vireidkit.pretrain_card import command_of, writable, write_trunk
from vireidkit.randomness import generator, scoped_randomness
from vireidkit.training.guards import check_finite
from vireidkit.training.history import History
from vireidkit.training.run import commit

VISIBLE_CAMERAS = tuple(camera for camera, modality in CAMERAS.items() if modality == "visible")
PICTURES = 2  # of a rendered person in each camera
POPULATION = "population.json"  # written into a folder once all its pictures are rendered
LOG_EVERY = 20  # steps that a row of the history is the mean of
GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class PretrainSettings:
    """How a trunk is pretrained. Every figure is ours.

    Attributes:
        image_height, image_width: of the pictures, in pixels.
        held_out: people, the last by number, who are not learnt; the score is theirs.
        identities, per_identity: people in a batch, and pictures of each.
        steps: updates of the weights; lr: rate at the top of the schedule, which rises over ``warmup`` steps and then falls as
            a cosine to zero.
        momentum, weight_decay: of stochastic gradient descent (Nesterov's form).
        smoothing: share of the target that the identity loss spreads over all classes.
        triplet_weight: weight of the batch-hard triplet beside the identity loss; margin: its margin.
        attribute_weight: weight of the mean cross-entropy over what people wear and look like (kinds and shapes, no colours);
            0 learns identities alone and needs no table of factors.
        padding, flip, erase: pixels of zero padding before the random crop, probability of the mirror image, and of a random
            rectangle.
        jitter: largest change of brightness, contrast and saturation, as a factor of 1 - jitter to 1 + jitter for each picture.
    """

    image_height: int = 128
    image_width: int = 64
    held_out: int = 60
    identities: int = 16
    per_identity: int = 4
    steps: int = 1500
    lr: float = 0.1
    warmup: int = 100
    momentum: float = 0.9
    weight_decay: float = 5e-4
    smoothing: float = 0.1
    triplet_weight: float = 1.0
    margin: float = 0.3
    attribute_weight: float = 3.0
    padding: int = 4
    flip: float = 0.5
    erase: float = 0.5
    jitter: float = 0.4

    def __post_init__(self) -> None:
        for name in ("image_height", "image_width", "held_out", "identities", "per_identity", "steps"):
            if getattr(self, name) < (2 if name in ("held_out", "identities") else 1):
                raise SettingError(f"pretraining needs a larger {name}; found {getattr(self, name)}")
        for name in ("smoothing", "jitter"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(f"{name} must be at least 0 and below 1; found {getattr(self, name)}")


# OSNet is slower, so that it gets fewer steps for the same time.
DEFAULTS = {"osnet": PretrainSettings(steps=1000)}


def pretrain(
    trunk: str,
    *,
    root: str | Path,
    out: str | Path,
    width: float = 0.25,
    seed: int = 0,
    render: int | None = None,
    population_seed: int = 20261201,
    overrides: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Pretrain a trunk and write ``<trunk>-x<width>.safetensors``, its history and its entry in ``weights.json`` into ``out``.

    The result follows from the seeds, the settings and the pictures (on one machine, with one number of threads). A stop leaves
    what was in ``out`` before.

    Args:
        trunk: "resnet18", "osnet" or "resnet50"; width: factor on its channels.
        root: folder with cam1, cam2, cam4 and cam5 in the form of SYSU-MM01; other cameras in it are left alone.
        seed: of weights, batches and augmentation.
        render: how many people to render into ``root`` first, unless it holds a complete population; None renders nothing.
        population_seed: of those people; no data set may have it.
        overrides: fields of ``PretrainSettings`` that differ from the trunk's defaults.

    Returns:
        The entry in ``weights.json``.

    Raises:
        KitError: an unknown trunk or setting, missing or damaged pictures, too few people, an ``out`` that cannot be written
            to, or a loss that became NaN.
    """
    settings, root, out = settings_of(trunk, overrides or {}), Path(root).expanduser(), writable(Path(out).expanduser())
    about = population_of(root, render, population_seed, quiet=quiet)
    data = visible_dataset(root, settings.held_out)
    model, history, found = _trained(trunk, width, data, settings, seed, quiet)
    entry = {
        "command": command_of(trunk, width, seed, root, render, population_seed, overrides or {}),
        "seed": seed,
        **found.pop("cost"),
        "population": {**about, "learnt": model.num_identities, "images": len(data.train), "fingerprint": data.fingerprint},
        "held_out": {"identities": settings.held_out, "images": len(data.test), **found},
        "settings": asdict(settings),
    }
    return write_trunk(model.trunk, trunk, width, entry, history, out)


def settings_of(trunk: str, overrides: Mapping[str, Any]) -> PretrainSettings:
    """The trunk's settings with some changed; text values are read as on the command line.

    Raises:
        SettingError: an unknown trunk or setting, or an impossible value.
    """
    if trunk not in TRUNKS:
        raise SettingError(f"trunk must be one of {', '.join(TRUNKS)}; found {trunk!r}")
    return replace(DEFAULTS.get(trunk, PretrainSettings()), **parse_settings(PretrainSettings, overrides))


# --- the population ----------------------------------------------------------------------------------------------------------


def population_of(root: Path, render: int | None, seed: int, *, quiet: bool = True) -> dict[str, Any]:
    """What is known of the people in ``root``, who are rendered first where that was asked for and is not yet done.

    Returns:
        Columns of the card: ``seed`` (None where the folder does not tell) and ``identities``.

    Raises:
        DatasetError: there is no such folder and nothing is to be rendered, or it holds another population than the one asked for.
    """
    card = root / POPULATION
    known = read_json(card, what="population", error=DatasetError) if card.exists() else {}
    wanted = {"seed": seed, "identities": render}
    if render is None:
        if not root.is_dir():
            raise DatasetError(f"pretraining pictures not found: {root} is no folder; render them with --render 1000")
        return {"seed": known.get("seed"), "identities": known.get("identities")}
    if known and {key: known.get(key) for key in wanted} != wanted:
        raise DatasetError(f"{root} holds another population: expected {wanted}, found {known}; name another folder")
    if not known:
        _render(root, render, seed, quiet)
        write_json(card, wanted)
    return wanted


def _render(root: Path, identities: int, seed: int, quiet: bool) -> None:
    """``PICTURES`` pictures of every person in each visible camera, in scenes of their own; goes on where a stopped rendering ended."""
    from vireidkit.publish import render_population
    from vireidkit.twilight.settings import VERSION_1

    settings = replace(VERSION_1, train_seed=seed, test_seed=seed, scene_seed=seed)
    cameras = dict.fromkeys(VISIBLE_CAMERAS, PICTURES)
    render_population(root, settings=settings, identities=range(1, identities + 1), cameras=cameras, progress=not quiet)


def visible_dataset(root: Path, held_out: int) -> Dataset:
    """The visible pictures of a folder as a data set: the last ``held_out`` people are its test split, all others its train split.

    Raises:
        DatasetError: no pictures. SettingError: too few people.
    """
    rows = [
        (path.relative_to(root).as_posix(), int(path.parent.name), camera, int(path.stem), path.stat().st_size)
        for camera in VISIBLE_CAMERAS
        for path in sorted(root.glob(f"cam{camera}/[0-9]*/[0-9]*.*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not rows:
        raise DatasetError(f"no pictures in {root}: expected cam1/0001/0001.webp and so on in the cameras {VISIBLE_CAMERAS}")
    table = pd.DataFrame(rows, columns=["path", "identity", "camera", "frame", "size"]).assign(modality="visible", tracklet=-1)
    people = np.unique(table["identity"])
    if len(people) < held_out + 2:
        raise SettingError(f"holding out {held_out} people leaves too few to learn: {root} shows {len(people)}; set a smaller held_out")
    sizes = dict(zip(table["path"], table.pop("size"), strict=True))
    learnt = table["identity"].isin(people[:-held_out])
    parts = {"train": table[learnt], "validation": table[:0], "test": table[~learnt]}
    parts = {name: part.reset_index(drop=True) for name, part in parts.items()}
    return Dataset(
        name="pretraining",
        title="Pretraining",
        root=root,
        bands=("visible", "none"),
        **parts,
        protocols=("within-visible",),
        fingerprint=fingerprint_of("pretraining", root, parts, sizes),
        credit="rendered by vireidkit, CC0",
    )


# --- what learns -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassifierSettings:
    """Settings of ``VisibleClassifier``: its trunk, and those of its losses."""

    trunk: str
    width: float
    smoothing: float
    margin: float
    attributes: tuple[tuple[str, int], ...] = ()  # name, number of levels


class VisibleClassifier(Method):
    """A trunk with GeM pooling, batch-norm neck and classifier; identity loss and batch-hard triplet, as in AGW, on one band.

    Beside the identities a linear layer each tells the attributes, whose levels ``people`` holds: (identities, attributes).
    """

    name = "visible-classifier"

    def __init__(self, num_identities: int, settings: ClassifierSettings) -> None:
        super().__init__(num_identities, settings)
        self.trunk = build_trunk(settings.trunk, width=settings.width)
        self.pool = GeM()
        self.neck = BNNeck(self.trunk.channels)
        self.classifier = IdentityClassifier(self.trunk.channels, num_identities)
        self.heads = nn.ModuleList(nn.Linear(self.trunk.channels, levels) for _, levels in settings.attributes)
        self.register_buffer("people", torch.zeros(num_identities, len(settings.attributes), dtype=torch.int64))

    def forward(self, batch: Batch, terms: Collection[str] | None = None) -> dict[str, Tensor]:
        """The terms "id", "triplet" and "attributes", and the share of right answers, "accuracy"."""
        features = self.pool(self.trunk(batch.images))  # (B, D)
        descriptor = self.neck(features)
        logits = self.classifier(descriptor)  # (B, C)
        levels = self.people[batch.labels]  # (B, A)
        told = [F.cross_entropy(head(descriptor), levels[:, place]) for place, head in enumerate(self.heads)]
        return {
            "id": F.cross_entropy(logits, batch.labels, label_smoothing=self.settings.smoothing),
            "triplet": batch_hard_triplet(features, batch.labels, self.settings.margin),
            "attributes": torch.stack(told).mean() if told else logits.new_zeros(()),
            "accuracy": (logits.detach().argmax(1) == batch.labels).float().mean(),
        }

    def weights(self, progress: Progress) -> dict[str, float]:
        """The identity loss alone; ``pretrain`` weighs the triplet by its own settings."""
        return {"id": 1.0}

    def embed(self, images: Tensor, modality: Tensor) -> Tensor:
        """The feature behind the neck, (B, D)."""
        return self.neck(self.pool(self.trunk(images)))


def _trained(
    trunk: str, width: float, data: Dataset, settings: PretrainSettings, seed: int, quiet: bool
) -> tuple[VisibleClassifier, History, dict[str, Any]]:
    """The trained network, its history, and its scores on the people held out, beside those of the floor, with the cost."""
    attributes = attributes_of(data.root, list(data.labels("train"))) if settings.attribute_weight else {}
    kind = ClassifierSettings(trunk, width, settings.smoothing, settings.margin, level_counts(attributes))
    size = (settings.image_height, settings.image_width)
    learnt, held_out = (ImageStore(data, table, size, progress=not quiet) for table in (data.train, data.test))
    with scoped_randomness(seed, "pretraining weights"):
        model = VisibleClassifier(len(data.labels("train")), kind)
    if attributes:
        model.people.copy_(torch.stack(list(attributes.values()), 1))
    floor = {"untrained": _score(model, data, held_out), "raw_pixels": _score(None, data, held_out)}
    began = time.process_time()
    history = _fit(model, data, learnt, settings, seed, quiet)
    cost = {
        "steps": settings.steps,
        "images_seen": settings.steps * settings.identities * settings.per_identity,
        "seconds": round(time.process_time() - began, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": commit(),
    }
    return model, history, {**_score(model, data, held_out), **floor, "cost": cost}


def _fit(model: VisibleClassifier, data: Dataset, store: ImageStore, settings: PretrainSettings, seed: int, quiet: bool) -> History:
    """Train ``model``; the history holds one row for every ``LOG_EVERY`` steps, their means."""
    plans = _Plans(data, settings, seed)
    model.to(memory_format=torch.channels_last).train()  # a quarter faster for narrow trunks on a CPU
    nesterov = settings.momentum > 0
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learning, settings.lr, settings.momentum, weight_decay=settings.weight_decay, nesterov=nesterov)
    history, rows = History(Path()), []
    bar = tqdm(range(settings.steps), desc=trunk_name(model.settings.trunk, model.settings.width), unit="step", disable=quiet)
    for step in bar:
        began = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = cosine_rate(settings, step)
        terms = model(_batch(plans, store, settings, seed, step))
        values = {name: float(value.detach()) for name, value in terms.items()}
        check_finite(values, epoch=0, step=step)
        optimizer.zero_grad(set_to_none=True)
        (terms["id"] + settings.triplet_weight * terms["triplet"] + settings.attribute_weight * terms["attributes"]).backward()
        optimizer.step()
        speed = settings.identities * settings.per_identity / (time.perf_counter() - began)
        rows.append({"step": step + 1, "lr": cosine_rate(settings, step), **values, "images_per_second": speed})
        if (step + 1) % LOG_EVERY == 0 or step + 1 == settings.steps:
            mean = pd.DataFrame(rows).mean()
            history.append({"step": step + 1, **{name: float(f"{mean[name]:.5g}") for name in mean.index if name != "step"}})
            bar.set_postfix({name: f"{mean[name]:.3g}" for name in (*values, "images_per_second")}, refresh=False)
            rows = []
    model.origin = "trained"
    return history


def cosine_rate(settings: PretrainSettings, step: int) -> float:
    """The learning rate of a step (0-based): linear up over ``warmup`` steps, times a cosine from 1 to 0 over all steps."""
    warmup = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    return settings.lr * warmup * 0.5 * (1 + math.cos(math.pi * step / settings.steps))


class _Plans:
    """Which pictures make a batch. People come in a new random order every round, so that all are seen equally often."""

    def __init__(self, data: Dataset, settings: PretrainSettings, seed: int) -> None:
        self.labels = torch.tensor([data.labels("train")[identity] for identity in data.train["identity"]])  # (N,)
        self.cameras = torch.tensor(data.train["camera"].to_numpy())
        self.rows = [(self.labels == label).nonzero().flatten() for label in range(int(self.labels.max()) + 1)]
        self.identities, self.per_identity, self.seed = settings.identities, settings.per_identity, seed
        if len(self.rows) < self.identities:
            raise SettingError(f"a batch of identities={self.identities} needs as many people; found {len(self.rows)} to learn")

    def plan(self, step: int) -> Batch:
        """The batch of a step without its pixels; a person with fewer than K pictures shows some twice."""
        in_round = len(self.rows) // self.identities
        order = torch.randperm(len(self.rows), generator=generator(self.seed, "people", step // in_round))
        start = step % in_round * self.identities
        draw = generator(self.seed, "pictures", step)
        chosen = [self._pictures(self.rows[person], draw) for person in order[start : start + self.identities].tolist()]
        rows = torch.cat(chosen)  # (B,)
        nothing = torch.zeros_like(rows)
        return Batch(rows.new_empty((len(rows), 0)), self.labels[rows], nothing + VISIBLE, self.cameras[rows], rows, nothing)

    def _pictures(self, rows: Tensor, draw: torch.Generator) -> Tensor:
        """K rows of one person, shuffled, repeated where there are fewer."""
        shuffled = rows[torch.randperm(len(rows), generator=draw)]
        return shuffled.repeat(-(-self.per_identity // len(rows)))[: self.per_identity]


def _batch(plans: _Plans, store: ImageStore, settings: PretrainSettings, seed: int, step: int) -> Batch:
    """The pictures of a step, augmented, channels last."""
    plan = plans.plan(step)
    operators = Augmentation(settings.padding, settings.flip, visible=(("erase",),), erase_probability=settings.erase)
    pixels = jittered(store.images(plan.rows), settings.jitter, generator(seed, "jitter", step))
    images = augment(pixels, plan, operators, seed=seed, step=step)
    return plan.with_images(images.contiguous(memory_format=torch.channels_last))


def jittered(images: Tensor, strength: float, draw: torch.Generator) -> Tensor:
    """Pictures uint8 (B, H, W, 3) with brightness, contrast and saturation of each multiplied by factors of their own.

    The factors are uniform in 1 - strength to 1 + strength: brightness scales the values, contrast their distance from the
    picture's mean, saturation the distance from the pixel's grey.
    """
    if strength == 0:
        return images
    brightness, contrast, saturation = 1 + strength * (2 * torch.rand((3, len(images), 1, 1, 1), generator=draw) - 1)
    values = images.float() * brightness
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    values = mean + contrast * (values - mean)
    grey = values @ values.new_tensor(GREY)  # (B, H, W)
    values = grey[..., None] + saturation * (values - grey[..., None])
    return values.round().clamp(0, 255).to(torch.uint8)


def _score(model: VisibleClassifier | None, data: Dataset, store: ImageStore) -> dict[str, float]:
    """Rank-1 and mAP of the people held out, visible to visible of other cameras; None: of the raw pixels."""
    features = raw_pixel_features(store, grey=False) if model is None else extract_features(model.eval(), store, allow_untrained=True)
    mean = evaluate(features, data, "within-visible").mean
    return {name: round(mean[name], 4) for name in ("rank1", "map")}

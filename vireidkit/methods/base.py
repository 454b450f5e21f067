"""The Method interface: all that the rest of the kit knows of a paper."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from vireidkit.data.batch import Batch
from vireidkit.methods.recipe import Progress, Recipe, Stage


@dataclass(frozen=True)
class NoSettings:
    """The settings of a method that has none."""


class Method(nn.Module):
    """A network with its objective. Subclass it, decorate the class with ``@register``, and it trains, evaluates and is listed.

    Only ``forward`` and ``embed`` have to be written. Class attributes describe the method:

    Attributes:
        name: short name for the command line; title: what it is called in tables.
        paper: where it was published; citation: its BibTeX entry.
        grade: how certain the implementation is: "code" (read in the authors' code), "paper", "reconstruction" or "ours".
        Settings: a frozen dataclass with every ablation switch.
        recipes: (data set, profile) -> Recipe.
        metric: the distance in which the method's descriptors are compared.
        flip_average: whether test features average an image and its mirror image.
        origin: "random" until a trunk was loaded ("imagenet", "twilight", "file") or trained ("trained"). A network of
            random origin is not evaluated unless asked for by name.
        gather: (rows of this process, their batch) -> (rows of all processes in global order, their batch). The training loop
            replaces it when several processes share a batch; heads and losses that compare rows must go through it.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    grade: ClassVar[Literal["code", "paper", "reconstruction", "ours"]] = "ours"
    Settings: ClassVar[type] = NoSettings
    recipes: ClassVar[Mapping[tuple[str, str], Recipe]] = {}

    metric: Literal["cosine", "euclidean"] = "cosine"
    flip_average: bool = False

    def __init__(self, num_identities: int, settings: Any) -> None:
        super().__init__()
        self.num_identities = num_identities
        self.settings = settings
        self.origin = "random"
        self.gather: Callable[[Tensor, Batch], tuple[Tensor, Batch]] = lambda rows, batch: (rows, batch)

    def forward(self, batch: Batch, terms: Collection[str] | None = None) -> dict[str, Tensor]:
        """The unweighted loss terms of a batch, each a scalar. Terms not named in ``terms`` may be left out (None: all)."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(batch, terms)")

    def weights(self, progress: Progress) -> dict[str, float]:
        """Weight of every loss term at this moment, in the order in which they are summed. A term of weight 0 is not computed."""
        raise NotImplementedError(f"{type(self).__name__} must define weights(progress)")

    def embed(self, images: Tensor, modality: Tensor) -> Tensor:
        """Descriptors (B, D) of normalised images (B, 3, H, W) with modality codes (B,).

        ``vireidkit export`` hands over one code for all rows instead, which ``TwoStream`` takes as well: pass it on as it is.
        """
        raise NotImplementedError(f"{type(self).__name__} must define embed(images, modality)")

    @property
    def parts(self) -> dict[str, slice]:
        """Named parts of the descriptor; a method with one part needs no override."""
        return {"descriptor": slice(None)}

    def stages_of(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """Feature maps (B, C, h, w) after each stage of the network, in order, for layer-wise analysis."""
        return {}

    def maps_of(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """Attention or mask maps (B, h, w) in 0..1 of the methods that have them."""
        return {}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for the optimiser: ``params`` plus ``name`` and ``lr_factor``; optionally ``weight_decay``."""
        return [{"params": list(self.parameters()), "name": "all", "lr_factor": 1.0}]

    def collapse_values(self) -> dict[str, float]:
        """The value that a loss term takes when all features have fallen on one point, for the terms that have one."""
        return {}

    def stages(self, recipe: Recipe) -> Iterator[Stage]:
        """The stretches of training, run in turn. One by default; settings that change the batch change its recipe here."""
        yield Stage(name="train", recipe=recipe)

    @classmethod
    def start_weights(cls, settings: Any) -> str | None:
        """What tells the weight file that training starts from, such as its SHA-256, or None; with another file a run is another run.

        Raises:
            KitError: there is no such file.
        """
        return None

    def on_stage_start(self, stage: Stage) -> None:
        """Called before a stage's first step (not after a resume inside it)."""

    def on_epoch_start(self, progress: Progress) -> None:
        """Called before an epoch's first step (not after a resume inside it)."""

    def on_step_end(self, batch: Batch, outputs: Mapping[str, Tensor]) -> None:
        """Called after the optimiser's step with the detached loss terms."""

    def on_epoch_end(self, progress: Progress, extract: Callable[[], tuple[Tensor, Tensor, Tensor]]) -> None:
        """Called after an epoch. ``extract()`` returns features, labels and modality of the training images, in evaluation mode."""

    def extra_state(self) -> dict[str, Any]:
        """State beyond parameters and buffers, as JSON values; stored in the checkpoint."""
        return {"origin": self.origin}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take back what ``extra_state`` gave."""
        self.origin = state.get("origin", "random")

    def described(self) -> dict[str, Any]:
        """Name, number of identities and settings: what a checkpoint must agree with."""
        return {"name": self.name, "num_identities": self.num_identities, "settings": asdict(self.settings)}

"""Protocols for any data set of two bands: across the bands, and within one of them."""

from __future__ import annotations

from collections.abc import Iterator

from vireidkit.errors import SettingError
from vireidkit.evaluation.gallery import draw_one_each, folders
from vireidkit.evaluation.metrics import AP_KINDS, CMC_KINDS
from vireidkit.evaluation.protocols import (
    Protocol,
    TestedDataset,
    Trial,
    check_choice,
    check_images,
    check_trials,
    register_protocol,
)
from vireidkit.modality import MODALITIES

SHORT = {"visible": "vis", "infrared": "ir"}


class BandProtocol(Protocol):
    """Every image of a band asks; of every identity and camera of a band one random image answers, drawn anew in every trial.

    The draw is SYSU-MM01's seeded one (identities ascending, then cameras ascending, one generator a trial), so on that data
    set the galleries of ``ir2vis`` are those of ``sysu-all-single``. Ours; not a published protocol.
    """

    def __init__(self, query: str, gallery: str, *, trials: int, cmc: str, ap: str) -> None:
        self.query, self.gallery = check_choice("query", query, MODALITIES), check_choice("gallery", gallery, MODALITIES)
        self.trial_count = check_trials(trials)
        self.cmc, self.ap = check_choice("cmc", cmc, CMC_KINDS), check_choice("ap", ap, AP_KINDS)
        # Scores of another definition must not land in the same column.
        self.suffix = ("" if cmc == "identity" else "-image-cmc") + ("" if ap == "plain" else "-trapezoid")

    def parts(self) -> dict[str, str]:
        return {
            "query": f"all {self.query} images",
            "gallery": f"one random {self.gallery} image per identity and camera",
            "sampler": "seed (Python's generator seeded with the trial's number, identities then cameras ascending)",
            "exclusion": "nothing",
        }

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table = dataset.table(split)
        query = check_images(table[table["modality"] == self.query], f"{self.query} query images", self, dataset, split)
        answering = check_images(table[table["modality"] == self.gallery], f"{self.gallery} gallery images", self, dataset, split)
        found = folders(answering)
        for number in range(self.trial_count):
            yield self.with_exclusion(Trial(query, table.loc[draw_one_each(found, number)], number=number))

    def with_exclusion(self, trial: Trial) -> Trial:
        """The trial with what is removed from it."""
        return trial


class CrossBand(BandProtocol):
    """Query and gallery of different bands. Nothing is removed, since a query is never in its own gallery."""

    def __init__(self, query: str, gallery: str, **options: str | int) -> None:
        super().__init__(query, gallery, **options)
        if query == gallery:
            raise SettingError(f"protocol 'cross-band' needs two different bands, found {query!r} twice; 'within-band' tests one band")
        self.key = f"{SHORT[query]}2{SHORT[gallery]}{self.suffix}"


class WithinBand(BandProtocol):
    """Query and gallery of the same band, with the gallery images of the query's own camera removed.

    Without that rule the background would answer: pictures of one camera share it, and one of them may be the query itself.
    A data set with one camera a band leaves nothing; there ``exclude="image"`` removes only the query's own picture.
    """

    def __init__(self, band: str, *, exclude: str, **options: str | int) -> None:
        check_choice("band", band, MODALITIES)
        super().__init__(band, band, **options)
        self.exclude = check_choice("exclude", exclude, ("camera", "image"))
        self.key = f"within-{band}{'' if exclude == 'camera' else '-same-camera'}{self.suffix}"

    def parts(self) -> dict[str, str]:
        removed = {"camera": "gallery images of the query's own camera", "image": "the query's own image"}
        return {**super().parts(), "exclusion": removed[self.exclude]}

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table = dataset.table(split)
        cameras = table.loc[table["modality"] == self.query, "camera"].unique()
        if self.exclude == "camera" and len(cameras) == 1:
            raise SettingError(
                f"protocol {self.key!r} removes the query's own camera, but split {split!r} of {dataset.name!r} has only one {self.query} "
                f"camera, {cameras[0]}; exclude='image' removes only the query's own image"
            )
        yield from super().trials(dataset, split)

    def with_exclusion(self, trial: Trial) -> Trial:
        """The own image is always removed: with the rule on cameras it is part of what that removes."""
        of = "camera" if self.exclude == "camera" else "path"
        query, gallery = (rows[of].to_numpy() for rows in (trial.query, trial.gallery))
        return Trial(trial.query, trial.gallery, query[:, None] == gallery[None, :], trial.number)


@register_protocol("cross-band")
def cross_band(*, query: str, gallery: str, trials: int = 10, cmc: str = "identity", ap: str = "plain") -> CrossBand:
    """One band asks the other: ``query`` and ``gallery`` are "visible" and "infrared"."""
    return CrossBand(query, gallery, trials=trials, cmc=cmc, ap=ap)


@register_protocol("within-band")
def within_band(*, band: str, exclude: str = "camera", trials: int = 10, cmc: str = "identity", ap: str = "plain") -> WithinBand:
    """One band asks itself, other cameras answer."""
    return WithinBand(band, exclude=exclude, trials=trials, cmc=cmc, ap=ap)


@register_protocol("ir2vis")
def ir2vis(*, trials: int = 10, cmc: str = "identity", ap: str = "plain") -> CrossBand:
    """Infrared asks visible."""
    return CrossBand("infrared", "visible", trials=trials, cmc=cmc, ap=ap)


@register_protocol("vis2ir")
def vis2ir(*, trials: int = 10, cmc: str = "identity", ap: str = "plain") -> CrossBand:
    """Visible asks infrared."""
    return CrossBand("visible", "infrared", trials=trials, cmc=cmc, ap=ap)


@register_protocol("within-visible")
def within_visible(*, exclude: str = "camera", trials: int = 10, cmc: str = "identity", ap: str = "plain") -> WithinBand:
    """Visible asks visible of other cameras."""
    return WithinBand("visible", exclude=exclude, trials=trials, cmc=cmc, ap=ap)


@register_protocol("within-infrared")
def within_infrared(*, exclude: str = "camera", trials: int = 10, cmc: str = "identity", ap: str = "plain") -> WithinBand:
    """Infrared asks infrared of other cameras."""
    return WithinBand("infrared", exclude=exclude, trials=trials, cmc=cmc, ap=ap)

"""The three protocols of LLCM that are in print. They are not comparable, so each has a name of its own: L1, L2, L3."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from vireidkit.evaluation.gallery import draw_one_each, folders
from vireidkit.evaluation.protocols import Protocol, TestedDataset, Trial, check_images, check_trials, register_protocol
from vireidkit.evaluation.sides import same_person_and_camera

# Camera 3 has no near-infrared test images; the published sampler leaves it out.
CAMERAS = {"visible": (1, 2, 3, 4, 5, 6, 7, 8, 9), "infrared": (1, 2, 4, 5, 6, 7, 8, 9)}
OTHER = {"visible": "infrared", "infrared": "visible"}


class SampledLlcm(Protocol):
    """One band is complete, of the other one random image per identity and camera is drawn in each of ten trials.

    L1 (the paper's text, and infrared to visible in the released code): the complete band asks, the drawn images answer. L2 (what the
    released test scripts compute for visible to infrared, and the repository's table): the drawn infrared images ask, and all visible
    images answer; its mAP lies far below its Rank-1. In both, gallery images of the query's own identity and camera number are
    removed; identity CMC, plain AP. The draw is SYSU-MM01's seeded one.

    Source: Zhang and Wang, CVPR 2023, and the repository ZYK100/LLCM. Grade: code.
    """

    def __init__(self, key: str, drawn: str, *, drawn_asks: bool, trials: int) -> None:
        self.key, self.drawn, self.drawn_asks = key, drawn, drawn_asks
        self.trial_count = check_trials(trials)

    def parts(self) -> dict[str, str]:
        """See ``Protocol.parts``."""
        cameras = ", ".join(map(str, CAMERAS[self.drawn]))
        drawn = f"one random {self.drawn} image per identity and camera of {cameras}"
        query, gallery = (drawn, f"all {OTHER[self.drawn]} images") if self.drawn_asks else (f"all {OTHER[self.drawn]} images", drawn)
        return {
            "query": query,
            "gallery": gallery,
            "sampler": f"seed (Python's generator seeded with the trial's number, identities ascending, cameras {cameras})",
            "exclusion": "gallery images of the query's own identity and camera number",
        }

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table = dataset.table(split)
        complete = band(table, OTHER[self.drawn], self, dataset, split)
        some = band(table, self.drawn, self, dataset, split)
        needed = f"{self.drawn} images of cameras {', '.join(map(str, CAMERAS[self.drawn]))}"
        found = folders(check_images(some[some["camera"].isin(CAMERAS[self.drawn])], needed, self, dataset, split), CAMERAS[self.drawn])
        for number in range(self.trial_count):
            drawn = table.loc[draw_one_each(found, number)]
            query, gallery = (drawn, complete) if self.drawn_asks else (complete, drawn)
            yield Trial(query, gallery, same_person_and_camera(query, gallery), number)


class CompleteLlcm(Protocol):
    """L3: every infrared test image asks, every visible one answers, one pass, nothing is removed; identity CMC, plain AP.

    Source: code of MPANet and IDKL, which also leave the descriptors at their own length: score theirs with the metric "euclidean".
    Grade: code.
    """

    key = "llcm-L3"
    trial_count = 1

    def parts(self) -> dict[str, str]:
        """See ``Protocol.parts``."""
        return {
            "query": "all infrared images",
            "gallery": "all visible images",
            "sampler": "none (every image answers)",
            "exclusion": "nothing",
        }

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table = dataset.table(split)
        yield Trial(*(band(table, modality, self, dataset, split) for modality in ("infrared", "visible")))


def band(table: pd.DataFrame, modality: str, protocol: Protocol, dataset: TestedDataset, split: str) -> pd.DataFrame:
    """The rows of one band; SettingError if there are none."""
    return check_images(table[table["modality"] == modality], f"{modality} images", protocol, dataset, split)


@register_protocol("llcm-ir2vis-L1")
def llcm_ir2vis(*, trials: int = 10) -> SampledLlcm:
    """Infrared asks, drawn visible images answer: the paper and the code."""
    return SampledLlcm("llcm-ir2vis-L1", "visible", drawn_asks=False, trials=trials)


@register_protocol("llcm-vis2ir-L1")
def llcm_vis2ir(*, trials: int = 10) -> SampledLlcm:
    """Visible asks, drawn infrared images answer: the paper's text."""
    return SampledLlcm("llcm-vis2ir-L1", "infrared", drawn_asks=False, trials=trials)


@register_protocol("llcm-vis2ir-L2")
def llcm_vis2ir_released(*, trials: int = 10) -> SampledLlcm:
    """What the repository's scripts call visible to infrared: drawn infrared images ask, all visible ones answer."""
    return SampledLlcm("llcm-vis2ir-L2", "infrared", drawn_asks=True, trials=trials)


@register_protocol("llcm-L3")
def llcm_complete() -> CompleteLlcm:
    """Complete lists, infrared asks."""
    return CompleteLlcm()

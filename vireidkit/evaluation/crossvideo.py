"""Protocols of the visible-infrared video sets HITSZ-VCM and BUPTCampus: a tracklet of one band asks, tracklets of the other answer."""

from __future__ import annotations

from collections.abc import Iterator

from vireidkit.evaluation.protocols import Protocol, TestedDataset, Trial, check_images, register_protocol
from vireidkit.evaluation.sides import same_person_and_camera, tracklets_of, with_role

CHUNKS, SHORTEST = 6, 12  # HITSZ-VCM: frames a tracklet; shorter tracklets are left out
SPACED = 10  # BUPTCampus: frames a tracklet


class VcmProtocol(Protocol):
    """HITSZ-VCM: infrared to visible asks with the listed queries, and all other test tracklets answer; visible to infrared the reverse.

    Tracklets of fewer than 12 frames are left out; gallery tracklets of the query's own identity and camera number are removed. Image
    CMC, plain AP. The released code compares by the inner product of the network's descriptors, here the method's metric decides.

    Source: Lin et al., CVPR 2022, and the repository VCM-project233/MITML. Grade: code.
    """

    cmc = "image"
    trial_count = 1

    def __init__(self, key: str, asks: str, answers: str) -> None:
        self.key, self.asks, self.answers = key, asks, answers

    def parts(self) -> dict[str, str]:
        """See ``Protocol.parts``."""
        told = {"query": "the tracklets listed as queries (infrared)", "gallery": "all test tracklets not listed as queries (visible)"}
        return {
            "query": told[self.asks],
            "gallery": told[self.answers],
            "sampler": f"none (every tracklet of at least {SHORTEST} frames)",
            "exclusion": "gallery tracklets of the query's own identity and camera number",
            "query_unit": "tracklets",
            "gallery_unit": "tracklets",
            "frames": f"{CHUNKS} a tracklet (the first of each of {CHUNKS} equal chunks, filled up with the last frame), mean descriptor",
        }

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table, sides = dataset.table(split), []
        for role in (self.asks, self.answers):
            listed = tracklets_of(with_role(table, role, self, dataset, split), f"{role} tracklets", self, dataset, split)
            sides.append(listed.of_at_least(SHORTEST))
            check_images(sides[-1].table, f"{role} tracklets of at least {SHORTEST} frames", self, dataset, split)
        query, gallery = (side.table for side in sides)
        yield Trial(query, gallery, same_person_and_camera(query, gallery), 0, *(side.chunked(CHUNKS) for side in sides))


class BuptProtocol(Protocol):
    """BUPTCampus: the listed queries of one band ask, the listed gallery of the other answers, nothing is removed.

    Image CMC, plain AP. The released code compares by Euclidean distance, here the method's metric decides.

    Source: Du et al., TIFS 2023, and the repository dyhBUPT/BUPTCampus. Grade: code.
    """

    cmc = "image"
    trial_count = 1

    def __init__(self, key: str, asks: str, answers: str) -> None:
        self.key, self.asks, self.answers = key, asks, answers

    def parts(self) -> dict[str, str]:
        """See ``Protocol.parts``."""
        return {
            "query": f"all {self.asks} tracklets listed as queries",
            "gallery": f"all {self.answers} tracklets listed as gallery",
            "sampler": "none (all listed tracklets)",
            "exclusion": "nothing",
            "query_unit": "tracklets",
            "gallery_unit": "tracklets",
            "frames": f"{SPACED} a tracklet at equal distances, mean descriptor",
        }

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table = dataset.table(split)
        sides = []
        for role, modality in (("query", self.asks), ("gallery", self.answers)):
            rows = with_role(table, role, self, dataset, split)
            sides.append(tracklets_of(rows[rows["modality"] == modality], f"{modality} {role} tracklets", self, dataset, split))
        yield Trial(*(side.table for side in sides), None, 0, *(side.spaced(SPACED) for side in sides))


@register_protocol("vcm-ir2vis")
def vcm_ir2vis() -> VcmProtocol:
    """HITSZ-VCM, infrared asks."""
    return VcmProtocol("vcm-ir2vis", "query", "gallery")


@register_protocol("vcm-vis2ir")
def vcm_vis2ir() -> VcmProtocol:
    """HITSZ-VCM, visible asks."""
    return VcmProtocol("vcm-vis2ir", "gallery", "query")


@register_protocol("bupt-ir2vis")
def bupt_ir2vis() -> BuptProtocol:
    """BUPTCampus, infrared asks."""
    return BuptProtocol("bupt-ir2vis", "infrared", "visible")


@register_protocol("bupt-vis2ir")
def bupt_vis2ir() -> BuptProtocol:
    """BUPTCampus, visible asks."""
    return BuptProtocol("bupt-vis2ir", "visible", "infrared")

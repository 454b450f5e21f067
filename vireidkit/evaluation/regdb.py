"""The RegDB protocol: every test image of one band asks, every test image of the other answers, one pass."""

from __future__ import annotations

from collections.abc import Iterator

from vireidkit.evaluation.protocols import Protocol, TestedDataset, Trial, check_images, register_protocol


class RegdbProtocol(Protocol):
    """All images of a band ask, all images of the other answer; nothing is removed, since the two never share a camera.

    Image CMC (not identity CMC: with 10 gallery images an identity the two differ much beyond Rank-1), plain AP. There is nothing to
    draw, so there is one trial; published numbers are means over ten splits, each with a model of its own, and a split is a data set
    of its own here. Papers name the directions by "visible" and "thermal": ``regdb-vis2ir`` is their visible-to-thermal.

    Source: Ye et al., TPAMI 2021. Grade: code.
    """

    cmc = "image"
    trial_count = 1

    def __init__(self, query: str, gallery: str, key: str) -> None:
        self.query, self.gallery, self.key = query, gallery, key

    def parts(self) -> dict[str, str]:
        return {
            "query": f"all {self.query} images",
            "gallery": f"all {self.gallery} images",
            "sampler": "none (every image answers)",
            "exclusion": "nothing",
        }

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table = dataset.table(split)
        query = check_images(table[table["modality"] == self.query], f"{self.query} query images", self, dataset, split)
        gallery = check_images(table[table["modality"] == self.gallery], f"{self.gallery} gallery images", self, dataset, split)
        yield Trial(query, gallery)


@register_protocol("regdb-vis2ir")
def regdb_vis2ir() -> RegdbProtocol:
    """Visible asks thermal, the field's "V2T"."""
    return RegdbProtocol("visible", "infrared", "regdb-vis2ir")


@register_protocol("regdb-ir2vis")
def regdb_ir2vis() -> RegdbProtocol:
    """Thermal asks visible, the field's "T2V"."""
    return RegdbProtocol("infrared", "visible", "regdb-ir2vis")

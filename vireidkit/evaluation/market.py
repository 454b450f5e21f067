"""Market-1501 and DukeMTMC-reID: listed queries against the whole listed gallery, without the own person in the own camera."""

from __future__ import annotations

from collections.abc import Iterator

from vireidkit.evaluation.metrics import AP_KINDS
from vireidkit.evaluation.protocols import Protocol, TestedDataset, Trial, check_choice, register_protocol
from vireidkit.evaluation.sides import same_person_and_camera, with_role

SAME_PERSON_SAME_CAMERA = "gallery {unit} of the query's own identity from its own camera"


class ListedProtocol(Protocol):
    """Every listed query asks alone (single query), every listed gallery image answers, distractors among them.

    Image CMC and plain AP, as torchreid and fast-reid compute it. The data sets' own Matlab code takes the trapezoid AP, which is
    lower: ``ap="trapezoid"``, and the key then ends in "-trapezoid". Junk images are not in the data set's table.

    Source: Zheng et al., ICCV 2015; the two code bases. Grade: code.
    """

    cmc = "image"
    trial_count = 1

    def __init__(self, key: str, *, ap: str) -> None:
        self.ap = check_choice("ap", ap, AP_KINDS)
        self.key = key if ap == "plain" else f"{key}-trapezoid"

    def parts(self) -> dict[str, str]:
        """See ``Protocol.parts``."""
        return {
            "query": "all listed query images (each alone)",
            "gallery": "all listed gallery images (distractors included)",
            "sampler": "none (every image answers)",
            "exclusion": SAME_PERSON_SAME_CAMERA.format(unit="images"),
        }

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table = dataset.table(split)
        query, gallery = (with_role(table, role, self, dataset, split) for role in ("query", "gallery"))
        yield Trial(query, gallery, same_person_and_camera(query, gallery))


@register_protocol("market")
def market(*, ap: str = "plain") -> ListedProtocol:
    """Market-1501."""
    return ListedProtocol("market", ap=ap)


@register_protocol("duke")
def duke(*, ap: str = "plain") -> ListedProtocol:
    """DukeMTMC-reID."""
    return ListedProtocol("duke", ap=ap)

"""PairSampler: an epoch goes through the pairs, every batch has the promised order, and short people neither break nor repeat."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest
import torch

from vireidkit.data import IdentitySampler, PairSampler
from vireidkit.errors import SettingError

# identity -> numbers of visible and infrared images; 8 has one of them short, 9 both, 10 one modality only
COUNTS = {3: (9, 6), 4: (6, 6), 5: (7, 12), 6: (8, 8), 8: (10, 2), 9: (2, 1), 10: (5, 0)}


def table(counts: dict[int, tuple[int, int]] = COUNTS) -> pd.DataFrame:
    rows = [
        {"path": f"{identity}/{name}/{k}.jpg", "identity": identity, "camera": 1 + code, "modality": name}
        for code, name in enumerate(("visible", "infrared"))
        for identity, numbers in counts.items()
        for k in range(numbers[code])
    ]
    return pd.DataFrame(rows)


TABLE = table()
LABELS = {identity: index for index, identity in enumerate(COUNTS)}


def sampler(**options) -> PairSampler:
    return PairSampler(options.pop("table", TABLE), LABELS, **{"identities": 3, "per_modality": 3, "seed": 1, **options})


@pytest.mark.parametrize("seed", range(3))
def test_batches_have_the_promised_order_and_their_own_images(seed):
    own = sampler(seed=seed)
    for step in range(2 * len(own)):
        batch = own.plan(step).check()
        assert len(batch) == 18 and batch.modality.bincount().tolist() == [9, 9] and not batch.views.any()
        assert torch.equal(batch.labels[:9], batch.labels[9:]) and len(batch.labels.unique()) == 3
        rows = TABLE.iloc[batch.rows.tolist()]
        assert [LABELS[identity] for identity in rows["identity"]] == batch.labels.tolist()
        assert (rows["modality"] == "infrared").tolist() == batch.modality.bool().tolist()
        assert rows["camera"].tolist() == batch.cameras.tolist()


def test_a_pass_uses_no_image_twice_unless_a_person_is_short():
    own = sampler(steps_per_epoch=None)
    used = Counter(row for step in range(len(own)) for row in own.plan(step).rows.tolist())
    for row, times in used.items():
        identity, modality = TABLE.iloc[row][["identity", "modality"]]
        assert times == 1 or COUNTS[identity][modality == "infrared"] < 3


def test_a_pass_ends_when_fewer_people_than_a_batch_needs_have_chunks():
    own = sampler()
    chunks = Counter(label for step in range(len(own)) for label in own.plan(step).labels[:9:3].tolist())
    most = {LABELS[identity]: max(1, min(numbers) // 3) for identity, numbers in COUNTS.items() if all(numbers)}
    assert all(chunks[label] <= number for label, number in most.items()) and LABELS[10] not in chunks
    assert sum(number > chunks[label] for label, number in most.items()) < 3


def test_people_short_in_one_modality_or_both_take_part():
    """The released sampler breaks off at the former."""
    own = PairSampler(table({8: (10, 2), 9: (2, 1)}), LABELS, identities=2, per_modality=3)
    assert len(own) == 1
    rows = TABLE_SHORT.iloc[own.plan(0).rows.tolist()]
    visible = rows[(rows["identity"] == 8) & (rows["modality"] == "visible")]
    assert visible["path"].nunique() == 3  # enough of these


TABLE_SHORT = table({8: (10, 2), 9: (2, 1)})


def test_draws_depend_on_seed_and_step_alone():
    first, again, other = sampler(), sampler(), sampler(seed=2)
    steps = [7, 0, 3, 7, 1]
    found = [first.plan(step).rows.tolist() for step in steps]
    assert found == [again.plan(step).rows.tolist() for step in steps] and found[0] == found[3]
    assert found != [other.plan(step).rows.tolist() for step in steps]
    epoch = len(first)
    assert first.plan(0).rows.tolist() != first.plan(epoch).rows.tolist()


def test_an_epoch_longer_than_a_pass_goes_on_with_another():
    own = sampler(steps_per_epoch=20)
    assert len(own) == 20
    batches = [tuple(own.plan(step).rows.tolist()) for step in range(20)]
    assert len(set(batches)) == 20
    assert len(sampler()) < 10 and len(sampler(steps_per_epoch=2)) == 2


def test_the_length_is_that_of_the_pairs_and_not_of_the_images():
    many = table({identity: (40, 10) for identity in range(1, 7)})
    labels = {identity: identity for identity in range(1, 7)}
    options = {"identities": 3, "per_modality": 5}
    assert 3 <= len(PairSampler(many, labels, **options)) <= 4  # 6 people x 2 chunks / 3
    assert len(IdentitySampler(many, labels, **options)) == 17


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 2}, "one view of every image, found views=2; use sampler=identities"),
        ({"table": TABLE[TABLE["modality"] == "visible"]}, "images of both modalities, found one; use sampler=identities"),
        ({"identities": 7}, "a batch needs identities=7 people"),
        ({"per_modality": 0}, "per_modality must be at least 1"),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be at least 1"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(SettingError, match=message):
        sampler(**options)

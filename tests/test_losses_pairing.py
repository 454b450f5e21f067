"""Pairs of visible and infrared rows: the kit's order is kept, any other is brought into it or refused, never taken silently."""

from __future__ import annotations

import pytest
import torch
from idkl_batch import kit_order, shuffled
from idkl_oracle import own_order

from vireidkit.losses import alternating_order, modality_pairs


def test_the_kits_order_is_its_two_halves():
    labels, modality = kit_order(3, 2, people=(7, 2, 5))
    pairs = modality_pairs(labels, modality)
    assert pairs.visible.tolist() == [0, 1, 2, 3, 4, 5] and pairs.infrared.tolist() == [6, 7, 8, 9, 10, 11] and pairs.per_identity == 2
    assert labels[alternating_order(labels, modality)].tolist() == [7] * 4 + [2] * 4 + [5] * 4
    assert modality[alternating_order(labels, modality)].tolist() == [1, 0] * 6


def test_idkls_own_order_is_the_identity():
    labels, modality = torch.tensor([7, 7, 7, 7, 2, 2, 2, 2]), torch.tensor([1, 0] * 4)
    assert alternating_order(labels, modality).tolist() == list(range(8))


@pytest.mark.parametrize("seed", range(5))
def test_any_other_order_is_brought_into_it(seed):
    labels, modality = kit_order(4, 3)
    mixed = shuffled(24, seed)
    labels, modality = labels[mixed], modality[mixed]
    pairs = modality_pairs(labels, modality)
    assert (modality[pairs.visible] == 0).all() and (modality[pairs.infrared] == 1).all()
    assert torch.equal(labels[pairs.visible], labels[pairs.infrared])
    assert len(labels[pairs.visible].unique_consecutive()) == 4 and pairs.per_identity == 3
    assert torch.cat(pairs[:2]).sort().values.tolist() == list(range(24))
    assert alternating_order(labels, modality).tolist() == own_order(labels.tolist(), modality.tolist())


@pytest.mark.parametrize(
    ("labels", "modality", "found"),
    [
        ([3, 3, 3], [0, 0, 1], "2 visible and 1 infrared rows of identity 3$"),
        ([3, 4], [0, 1], "1 visible and 0 infrared rows of identity 3$"),
        ([3, 3], [0, 0], "2 visible and 0 infrared rows of identity 3$"),
        ([3, 3, 5, 5, 5, 5], [0, 1, 0, 0, 1, 1], "2 visible and 2 infrared rows of identity 5, and 1 and 1 of identity 3$"),
        ([3, 3, 3, 3], [0, 1, 2, 2], "a modality code other than 0 and 1$"),
    ],
)
def test_rows_that_cannot_be_paired_are_refused(labels, modality, found):
    with pytest.raises(ValueError, match=f"expected rows in pairs.*; found {found}"):
        modality_pairs(torch.tensor(labels), torch.tensor(modality))


def test_no_rows_and_wrong_shapes():
    none = torch.empty(0, dtype=torch.long)
    assert [len(x) for x in modality_pairs(none, none)[:2]] == [0, 0]
    assert len(alternating_order(none, none)) == 0
    for labels, modality in [(torch.zeros(4), torch.zeros(4).long()), (torch.zeros(4).long(), torch.zeros(3).long())]:
        with pytest.raises(ValueError, match="expected integer labels"):
            modality_pairs(labels, modality)

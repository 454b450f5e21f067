"""Confusion targets: the released pattern, the balanced form in any order, and what the released formula does to sorted batches."""

from __future__ import annotations

import idkl_oracle
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vireidkit.losses import confusion_targets


@pytest.mark.parametrize("rows", [2, 4, 6, 8, 10, 60, 120])
def test_in_idkls_order_both_forms_are_the_released_one(rows):
    modality = torch.tensor([1, 0] * (rows // 2))
    expected = idkl_oracle.targets_of_confusion(modality.tolist())
    assert confusion_targets(modality).tolist() == expected == confusion_targets(modality, balanced=False).tolist()


def test_the_pattern_of_the_specification():
    assert confusion_targets(torch.tensor([1, 0] * 4)).tolist() == [1, 0, 0, 1, 1, 0, 0, 1]
    assert confusion_targets(torch.tensor([1, 0] * 5)).tolist() == [1, 0, 0, 1, 1, 0, 0, 1, 1, 1]


@given(st.lists(st.integers(0, 1), max_size=40))
def test_each_modality_is_halved_in_any_order(codes):
    modality = torch.tensor(codes, dtype=torch.long)
    targets = confusion_targets(modality)
    assert targets.dtype == modality.dtype and targets.shape == modality.shape
    for code in (0, 1):
        own = targets[modality == code]
        assert int(own.sum()) == (len(own) + 1) // 2


def test_the_released_formula_degenerates_in_a_sorted_batch():
    modality = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    assert confusion_targets(modality, balanced=False).tolist() == [0] * 8
    assert confusion_targets(modality).tolist() == [0, 1, 0, 1, 1, 0, 1, 0]


@pytest.mark.parametrize("modality", [torch.tensor([0, 2]), torch.tensor([0.0, 1.0]), torch.zeros(2, 2).long()])
def test_mistakes_are_named(modality):
    with pytest.raises(ValueError, match=r"expected modality \(N,\) of 0 and 1"):
        confusion_targets(modality)


def test_an_odd_number_has_no_half():
    with pytest.raises(ValueError, match="expected an even number; found 3"):
        confusion_targets(torch.tensor([1, 0, 1]), balanced=False)

"""CSA per sample and per slot: loops, the joint softmax of the slots, order, direction of teaching, edges."""

from __future__ import annotations

import idkl_oracle
import pytest
import torch
from idkl_batch import kit_order, rows, shuffled

from vireidkit.losses import semantic_alignment, slot_rows, symmetric_kl

LABELS, MODALITY = kit_order(3, 2)
SHARED, SPECIFIC = rows(12, 4), rows(12, 4, seed=1)


def loop(per, inter, shared=SHARED, specific=SPECIFIC, labels=LABELS, modality=MODALITY):
    order = idkl_oracle.own_order(labels.tolist(), modality.tolist())
    size = {"sample": None, "slot": 2}[per]
    return idkl_oracle.semantic([shared[i] for i in order], [specific[i] for i in order], modality[order].tolist(), inter, size)


def test_slots_put_the_identities_side_by_side():
    logits = torch.tensor([[0, 1], [10, 11], [20, 21], [30, 31], [40, 41], [50, 51]])
    assert slot_rows(logits, 2).tolist() == [[0, 1, 20, 21, 40, 41], [10, 11, 30, 31, 50, 51]]
    assert slot_rows(logits, 6).tolist() == logits.tolist()
    assert slot_rows(logits, 1).tolist() == [logits.flatten().tolist()]
    torch.testing.assert_close(slot_rows(SHARED, 2), torch.stack(idkl_oracle.slots(SHARED, 2)))


@pytest.mark.parametrize("per", ["sample", "slot"])
@pytest.mark.parametrize("inter", [0.8, 0.3, 0.0])
def test_loops_agree(per, inter):
    found = semantic_alignment(SHARED, SPECIFIC, LABELS, MODALITY, per=per, inter=inter)
    torch.testing.assert_close(found, loop(per, inter), rtol=1e-10, atol=1e-10)


def test_intra_and_inter_are_the_two_parts():
    whole = semantic_alignment(SHARED, SPECIFIC, LABELS, MODALITY, intra=2.0, inter=0.5)
    intra = semantic_alignment(SHARED, SPECIFIC, LABELS, MODALITY, inter=0.0)
    inter = semantic_alignment(SHARED, SPECIFIC, LABELS, MODALITY, intra=0.0, inter=1.0)
    torch.testing.assert_close(whole, 2 * intra + 0.5 * inter)
    torch.testing.assert_close(intra, symmetric_kl(SHARED[:6], SHARED[6:]))


def test_one_row_a_slot_of_one_identity_makes_both_forms_equal():
    labels, modality = kit_order(1, 3)
    values = [semantic_alignment(SHARED[:6], SPECIFIC[:6], labels, modality, per=per) for per in ("sample", "slot")]
    torch.testing.assert_close(*values)


def test_a_constant_in_a_row_is_seen_by_the_slots_only():
    moved = SHARED + torch.arange(12.0)[:, None]
    for per, seen in (("sample", False), ("slot", True)):
        a, b = (semantic_alignment(x, SPECIFIC, LABELS, MODALITY, per=per) for x in (SHARED, moved))
        assert torch.isclose(a, b).item() != seen


@pytest.mark.parametrize("per", ["sample", "slot"])
@pytest.mark.parametrize("seed", range(3))
def test_a_permuted_batch_is_brought_into_order(per, seed):
    mixed = shuffled(12, seed)
    rearranged = [x[mixed] for x in (SHARED, SPECIFIC, LABELS, MODALITY)]
    torch.testing.assert_close(semantic_alignment(*rearranged, per=per), loop(per, 0.8, *rearranged), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("per", ["sample", "slot"])
def test_a_batch_that_cannot_be_paired_is_refused(per):
    with pytest.raises(ValueError, match="expected rows in pairs"):
        semantic_alignment(SHARED[:9], SPECIFIC[:9], LABELS[:9], MODALITY[:9], per=per)


@pytest.mark.parametrize("per", ["sample", "slot"])
def test_gradients_and_who_learns(per):
    shared, specific = SHARED.clone().requires_grad_(True), SPECIFIC.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda a, b: semantic_alignment(a, b, LABELS, MODALITY, per=per), (shared, specific))
    semantic_alignment(shared, specific, LABELS, MODALITY, per=per, detach_specific=True).backward()
    assert specific.grad is None and shared.grad.abs().sum() > 0


@pytest.mark.parametrize("per", ["sample", "slot"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(per, dtype):
    shared, specific = (SHARED * 9).to(dtype), (SPECIFIC * 9).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = semantic_alignment(shared, specific, LABELS, MODALITY, per=per)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, semantic_alignment(shared.double(), specific.double(), LABELS, MODALITY, per=per).float())


@pytest.mark.parametrize("per", ["sample", "slot"])
def test_no_rows_are_a_zero_attached_to_the_graph(per):
    none = torch.empty(0, dtype=torch.long)
    logits = torch.empty(0, 4, requires_grad=True)
    value = semantic_alignment(logits, logits, none, none, per=per)
    value.backward()
    assert value.item() == 0 and logits.grad.shape == (0, 4)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="per must be sample or slot; found 'class'"):
        semantic_alignment(SHARED, SPECIFIC, LABELS, MODALITY, per="class")
    with pytest.raises(ValueError, match="of one shape"):
        semantic_alignment(SHARED, SPECIFIC[:, :3], LABELS, MODALITY)
    with pytest.raises(ValueError, match="n a multiple of 5"):
        slot_rows(SHARED, 5)

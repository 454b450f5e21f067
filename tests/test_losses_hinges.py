"""The purifier's hinges: entropy and modality centroids against loops, torch's own functions, and their edges."""

from __future__ import annotations

import math

import idkl_oracle
import pytest
import torch
from idkl_batch import kit_order, rows, shuffled

from vireidkit.losses import centroid_hinge, entropy_hinge, modality_centroid_distance, row_entropy

LABELS, MODALITY = kit_order(3, 2)
PLAIN, PURIFIED = rows(12, 4), rows(12, 4, seed=1)


def test_entropy_of_known_rows():
    certain, even = torch.tensor([[100.0, 0, 0]]).double(), torch.zeros(1, 3).double()
    torch.testing.assert_close(
        row_entropy(torch.cat([certain, even])), torch.tensor([0.0, math.log(3)], dtype=torch.float64), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(row_entropy(PLAIN), torch.distributions.Categorical(logits=PLAIN).entropy())


def test_entropy_hinge_agrees_with_the_loop_and_is_zero_where_purified_is_more_certain():
    torch.testing.assert_close(entropy_hinge(PURIFIED, PLAIN), idkl_oracle.entropy_hinge(PURIFIED, PLAIN), rtol=1e-10, atol=1e-10)
    assert entropy_hinge(PLAIN * 5, PLAIN * 0) == 0
    torch.testing.assert_close(
        entropy_hinge(torch.zeros(1, 4).double(), torch.tensor([[99.0, 0, 0, 0]]).double()), torch.tensor(3.0).double()
    )
    torch.testing.assert_close(entropy_hinge(PLAIN, PLAIN, margin=0.5), torch.tensor(math.exp(0.5) - 1).double())


def test_centroid_distance_is_torchs_pairwise_distance_of_the_means():
    means = [torch.stack([PLAIN[6 * m + 2 * k :][:2].mean(0) for k in range(3)]) for m in (0, 1)]
    torch.testing.assert_close(modality_centroid_distance(PLAIN, LABELS, MODALITY), torch.nn.functional.pairwise_distance(*means))


def test_centroid_hinge_agrees_with_the_loop_in_any_order_and_for_any_counts():
    mixed = shuffled(12)[:9]  # 9 rows, unequal numbers
    while len(torch.unique(torch.stack([LABELS[mixed], MODALITY[mixed]]), dim=1).T) < 6:
        mixed = mixed.roll(1)
    for index in (torch.arange(12), shuffled(12, 3), mixed):
        parts = [x[index] for x in (PURIFIED, PLAIN, LABELS, MODALITY)]
        expected = idkl_oracle.centroid_hinge(*parts[:2], parts[2].tolist(), parts[3].tolist())
        torch.testing.assert_close(centroid_hinge(*parts), expected, rtol=1e-10, atol=1e-10)


def test_centroid_hinge_is_zero_where_purified_is_closer_and_sees_centroids_only():
    assert centroid_hinge(PLAIN * 0.5, PLAIN, LABELS, MODALITY) == 0
    moved = PURIFIED.clone()
    moved[0] += 5
    moved[1] -= 5
    torch.testing.assert_close(centroid_hinge(moved, PLAIN, LABELS, MODALITY), centroid_hinge(PURIFIED, PLAIN, LABELS, MODALITY))
    torch.testing.assert_close(centroid_hinge(PLAIN, PLAIN, LABELS, MODALITY, margin=0.25), torch.tensor(0.25).double())


def test_gradients():
    purified, plain = PURIFIED.clone().requires_grad_(True), PLAIN.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda a, b: entropy_hinge(a, b, 0.3), (purified, plain))
    assert torch.autograd.gradcheck(lambda a, b: centroid_hinge(a, b, LABELS, MODALITY, 3.0), (purified, plain))


def test_equal_centroids_have_a_finite_gradient():
    flat = torch.ones(12, 4, requires_grad=True)
    modality_centroid_distance(flat, LABELS, MODALITY).sum().backward()
    assert flat.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    purified, plain = (PURIFIED * 9).to(dtype), (PLAIN * 9).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = [entropy_hinge(purified, plain), centroid_hinge(purified, plain, LABELS, MODALITY, 1.0)]
    wide = purified.double(), plain.double()
    expected = [entropy_hinge(*wide), centroid_hinge(*wide, LABELS, MODALITY, 1.0)]
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a, b.float(), rtol=1e-4, atol=1e-5)


def test_no_rows_are_a_zero_attached_to_the_graph():
    none = torch.empty(0, dtype=torch.long)
    for loss in (entropy_hinge, lambda a, b: centroid_hinge(a, b, none, none)):
        a, b = (torch.empty(0, 4, requires_grad=True) for _ in range(2))
        value = loss(a, b)
        value.backward()
        assert value.item() == 0 and a.grad is not None


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="one modality only of \\[1, 2\\]"):
        modality_centroid_distance(PLAIN, LABELS, torch.where(LABELS > 0, 0, MODALITY))
    with pytest.raises(ValueError, match="logits of one shape"):
        entropy_hinge(PLAIN, PLAIN[:5])
    with pytest.raises(ValueError, match="floating-point logits"):
        row_entropy(LABELS)
    with pytest.raises(ValueError, match="modality"):
        centroid_hinge(PURIFIED, PLAIN, LABELS, MODALITY.float())

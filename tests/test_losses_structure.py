"""Distance graphs and TGSA: loops, the three oddities and their switches, the order of the batch."""

from __future__ import annotations

import idkl_oracle
import pytest
import torch
from idkl_batch import kit_order, rows, shuffled

from vireidkit.losses import cross_graph_rows, graph_rows, structure_alignment, symmetric_kl

LABELS, MODALITY = kit_order(4, 2)
SHARED, SPECIFIC = rows(16, 3), rows(16, 5, seed=1)
SYSU = {"tgsa_intra": 1.0, "tgsa_inter": 0.6, "tgsa_cross": True}
OTHER = {"tgsa_intra": 0.1, "tgsa_inter": 0.1, "tgsa_cross": False}


def options(own: dict) -> dict:
    return {"intra": own["tgsa_intra"], "inter": own["tgsa_inter"], "cross": own["tgsa_cross"]}


def loop(shared, specific, own, labels=LABELS, modality=MODALITY):
    order = idkl_oracle.own_order(labels.tolist(), modality.tolist())
    return idkl_oracle.structure([shared[i] for i in order], [specific[i] for i in order], modality[order].tolist(), own)


def test_a_graph_leaves_the_diagonal_out_and_keeps_the_order():
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]]).double()
    assert graph_rows(line).tolist() == [[1, 3, 7], [1, 2, 6], [3, 2, 4], [7, 6, 4]]
    torch.testing.assert_close(graph_rows(SHARED), torch.stack(idkl_oracle.graph(SHARED)))


def test_distances_are_never_below_the_released_floor():
    same = torch.zeros(3, 2, requires_grad=True)
    found = graph_rows(same)
    torch.testing.assert_close(found, torch.full((3, 2), 1e-3))
    found.sum().backward()
    assert (same.grad == 0).all()


def test_the_cross_graph_by_position_takes_the_first_identities_of_both_modalities():
    visible, infrared = SHARED[:8], SHARED[8:]
    torch.testing.assert_close(cross_graph_rows(visible, infrared), graph_rows(torch.cat([visible[:4], infrared[:4]])))
    shifted = torch.cat([infrared[:4], infrared[4:] + 9])
    torch.testing.assert_close(cross_graph_rows(visible, shifted), cross_graph_rows(visible, infrared))


def test_the_aligned_cross_graph_has_every_entry_at_its_place():
    visible, infrared = torch.tensor([[0.0], [1.0], [3.0]]).double(), torch.tensor([[0.0], [10.0], [20.0]]).double()
    expected = torch.tensor([[10, 20], [1, 19], [3, 7]]).double()
    torch.testing.assert_close(cross_graph_rows(visible, infrared, layout="aligned"), expected)
    torch.testing.assert_close(cross_graph_rows(visible, visible, layout="aligned"), graph_rows(visible))


@pytest.mark.parametrize("own", [SYSU, OTHER, {**SYSU, "tgsa_intra": 0.0, "tgsa_cross": False}, {**SYSU, "tgsa_inter": 0.0}])
@pytest.mark.parametrize("sign", [1, -1])
def test_loops_agree(own, sign):
    found = structure_alignment(SHARED, SPECIFIC, LABELS, MODALITY, **options(own), sign=sign)
    torch.testing.assert_close(found, loop(SHARED, SPECIFIC, {**own, "sign": sign}), rtol=1e-10, atol=1e-10)


def test_the_sign_and_the_layout_change_the_value():
    values = {
        float(structure_alignment(SHARED, SPECIFIC, LABELS, MODALITY, sign=sign, cross_layout=layout))
        for sign in (1, -1)
        for layout in ("positional", "aligned")
    }
    assert len(values) == 4


def test_a_plus_sign_gives_far_pairs_the_large_probabilities():
    first, second = graph_rows(SHARED[:8]), graph_rows(SHARED[8:])
    assert (first.softmax(1).argmax(1) == first.argmax(1)).all()
    for sign in (1, -1):
        found = structure_alignment(SHARED, SPECIFIC, LABELS, MODALITY, inter=0.0, cross=False, sign=sign)
        torch.testing.assert_close(found, symmetric_kl(sign * first, sign * second))


def test_moving_or_turning_a_whole_space_changes_nothing():
    turn, _ = torch.linalg.qr(rows(3, 3, seed=5))
    expected = structure_alignment(SHARED, SPECIFIC, LABELS, MODALITY)
    torch.testing.assert_close(structure_alignment(SHARED @ turn + 4, SPECIFIC, LABELS, MODALITY), expected)
    torch.testing.assert_close(structure_alignment(SHARED, SPECIFIC - 2, LABELS, MODALITY), expected)


def test_equal_graphs_cost_nothing():
    both = torch.cat([SHARED[:8], SHARED[:8]])
    assert structure_alignment(both, both, LABELS, MODALITY, cross_layout="aligned").abs() < 1e-12
    assert structure_alignment(both, both, LABELS, MODALITY) > 1e-3  # the positional cross graph stands for other people


@pytest.mark.parametrize("seed", range(3))
def test_a_permuted_batch_is_brought_into_order(seed):
    mixed = shuffled(16, seed)
    found = structure_alignment(SHARED[mixed], SPECIFIC[mixed], LABELS[mixed], MODALITY[mixed])
    torch.testing.assert_close(found, loop(SHARED[mixed], SPECIFIC[mixed], SYSU, LABELS[mixed], MODALITY[mixed]), rtol=1e-10, atol=1e-10)
    interleaved = torch.stack([torch.arange(8, 16), torch.arange(8)], 1).flatten()  # IDKL's own order
    same = structure_alignment(SHARED[interleaved], SPECIFIC[interleaved], LABELS[interleaved], MODALITY[interleaved])
    assert torch.equal(same, structure_alignment(SHARED, SPECIFIC, LABELS, MODALITY))


def test_a_batch_that_cannot_be_paired_is_refused():
    with pytest.raises(ValueError, match="1 visible and 3 infrared rows of identity 0"):
        structure_alignment(SHARED, SPECIFIC, LABELS, MODALITY.index_fill(0, torch.tensor([0]), 1))
    with pytest.raises(ValueError, match="expected rows in pairs"):
        structure_alignment(SHARED[:8], SPECIFIC[:8], LABELS[:8], MODALITY[:8])


def test_gradients():
    shared, specific = SHARED.clone().requires_grad_(True), SPECIFIC.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda a, b: structure_alignment(a, b, LABELS, MODALITY), (shared, specific))


def test_detached_the_specific_features_only_teach():
    shared, specific = SHARED.clone().requires_grad_(True), SPECIFIC.clone().requires_grad_(True)
    value = structure_alignment(shared, specific, LABELS, MODALITY, detach_specific=True)
    value.backward()
    assert specific.grad is None and shared.grad.abs().sum() > 0
    assert torch.equal(value, structure_alignment(SHARED, SPECIFIC, LABELS, MODALITY))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    shared, specific = (SHARED * 30).to(dtype), (SPECIFIC * 30).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = structure_alignment(shared, specific, LABELS, MODALITY)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found, structure_alignment(shared.double(), specific.double(), LABELS, MODALITY).float(), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(("identities", "per"), [(0, 1), (1, 1)])
def test_nothing_to_compare_is_a_zero_attached_to_the_graph(identities, per):
    labels, modality = kit_order(identities, per)
    shared, specific = (torch.ones(len(labels), 3, requires_grad=True) for _ in range(2))
    value = structure_alignment(shared, specific, labels, modality, cross=False)
    value.backward()
    assert value.item() == 0 and shared.grad.shape == (len(labels), 3)


@pytest.mark.parametrize("own", [{"intra": 0.0, "inter": 0.0}, {"intra": 0.0}, {"inter": 0.0}])
def test_a_weight_of_zero_is_not_computed_but_stays_attached(own):
    shared, broken = SHARED.clone().requires_grad_(True), torch.full_like(SPECIFIC, float("nan"))
    value = structure_alignment(shared, SPECIFIC if own.get("inter", 1) else broken, LABELS, MODALITY, **own)
    value.backward()
    assert value.isfinite() and shared.grad.isfinite().all()


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"sign must be 1 .* or -1 .*; found 0"):
        structure_alignment(SHARED, SPECIFIC, LABELS, MODALITY, sign=0)
    with pytest.raises(ValueError, match="layout must be positional or aligned; found 'diagonal'"):
        structure_alignment(SHARED, SPECIFIC, LABELS, MODALITY, cross_layout="diagonal")
    labels, modality = kit_order(3, 1)
    with pytest.raises(ValueError, match="expected an even number; found 3"):
        structure_alignment(SHARED[:6], SPECIFIC[:6], labels, modality)
    assert structure_alignment(SHARED[:6], SPECIFIC[:6], labels, modality, cross_layout="aligned").isfinite()
    with pytest.raises(ValueError, match="one for each row"):
        structure_alignment(SHARED, SPECIFIC[:8], LABELS, MODALITY)
    with pytest.raises(ValueError, match="two matrices"):
        graph_rows(SHARED, SPECIFIC)
    with pytest.raises(ValueError, match="expected visible and infrared rows"):
        cross_graph_rows(SHARED, SHARED[:8])


def test_two_people_with_one_picture_a_modality_have_nothing_to_compare():
    """Every row has one distance, so that every softmax is 1."""
    labels, modality = kit_order(2, 1)
    assert structure_alignment(SHARED[:4], SPECIFIC[:4], labels, modality) == 0

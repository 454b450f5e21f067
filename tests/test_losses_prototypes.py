"""Self-mimic against plain loops: the two terms, the memory that they follow, and what must never change them."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses import class_centers, prototype_classification, prototype_mimic, updated_prototypes

LABELS = torch.tensor([3, 3, 0, 0, 2, 2, 3, 3, 0, 0, 2, 2])
MODALITY = torch.tensor([0] * 6 + [1] * 6)
PEOPLE = 5


def directions(*shape: int, seed: int = 0) -> Tensor:
    """Random unit vectors in float64."""
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=-1)


def rows(seed: int = 0) -> Tensor:
    return directions(12, 4, seed=seed)


def memory(*unseen: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Prototypes (2, 5, 4) and flags; what has not been seen is zero."""
    prototypes, seen = directions(2, PEOPLE, 4, seed=7), torch.ones(2, PEOPLE, dtype=torch.bool)
    for place in unseen:
        prototypes[place], seen[place] = 0, False
    return prototypes, seen


PARTLY = ((0, 1), (0, 3), (1, 2), (1, 4))  # two of them belong to people of the batch

# The oracles: float64, one row and one number at a time.


def naive_mimic(z: Tensor, labels: Tensor, modality: Tensor, prototypes: Tensor, seen: Tensor) -> float:
    terms = []
    for i, (m, y) in enumerate(zip(modality.tolist(), labels.tolist(), strict=True)):
        if seen[m, y]:
            terms.append(sum((a - b) ** 2 for a, b in zip(z[i].tolist(), prototypes[m, y].tolist(), strict=True)))
    return sum(terms) / len(terms) if terms else 0.0


def naive_classification(
    z: Tensor, labels: Tensor, modality: Tensor, prototypes: Tensor, seen: Tensor, *, temperature: float = 0.1
) -> float:
    terms = []
    for i, (m, y) in enumerate(zip(modality.tolist(), labels.tolist(), strict=True)):
        if seen[m, y]:
            cosines = {c: math.fsum((z[i] * prototypes[m, c]).tolist()) for c in range(PEOPLE) if seen[m, c]}
            top = max(cosines.values())
            total = math.fsum(math.exp((value - top) / temperature) for value in cosines.values())
            terms.append(math.log(total) - (cosines[y] - top) / temperature)
    return math.fsum(terms) / len(terms) if terms else 0.0


def naive_update(
    prototypes: Tensor, seen: Tensor, z: Tensor, labels: Tensor, modality: Tensor, momentum: float
) -> tuple[list[list[list[float]]], list[list[bool]]]:
    vectors, flags = prototypes.tolist(), seen.tolist()
    for m in (0, 1):
        for c in range(PEOPLE):
            own = [z[i].tolist() for i in range(len(labels)) if labels[i] == c and modality[i] == m]
            if own:
                mean = [math.fsum(column) / len(own) for column in zip(*own, strict=True)]
                old = vectors[m][c]
                new = [momentum * a + (1 - momentum) * b for a, b in zip(old, mean, strict=True)] if flags[m][c] else mean
                length = math.sqrt(math.fsum(value**2 for value in new))
                vectors[m][c], flags[m][c] = [value / length for value in new], True
    return vectors, flags


CASES = [
    ("mimic", prototype_mimic, naive_mimic),
    ("classification", prototype_classification, naive_classification),
    ("classification-warm", partial(prototype_classification, temperature=0.7), partial(naive_classification, temperature=0.7)),
]
both_losses = pytest.mark.parametrize(("loss", "oracle"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])


@both_losses
@pytest.mark.parametrize("unseen", [(), PARTLY], ids=["all seen", "some unseen"])
def test_equals_the_loop(loss, oracle, unseen):
    for seed in range(3):
        z = rows(seed)
        assert loss(z, LABELS, MODALITY, *memory(*unseen)).item() == pytest.approx(oracle(z, LABELS, MODALITY, *memory(*unseen)), rel=1e-9)


@both_losses
@pytest.mark.parametrize("unseen", [(), PARTLY], ids=["all seen", "some unseen"])
def test_gradient_and_none_for_skipped_rows(loss, oracle, unseen):
    z = rows(4).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: loss(x, LABELS, MODALITY, *memory(*unseen)), (z,))
    loss(z, LABELS, MODALITY, *memory(*unseen)).backward()
    known = memory(*unseen)[1][MODALITY, LABELS]
    assert (z.grad[~known] == 0).all() and (z.grad[known] != 0).any(dim=1).all() and known.sum() == (12 if not unseen else 8)


@both_losses
def test_prototypes_are_targets(loss, oracle):
    prototypes, seen = memory()
    prototypes.requires_grad_(True)
    loss(rows().requires_grad_(True), LABELS, MODALITY, prototypes, seen).backward()
    assert prototypes.grad is None


@both_losses
@pytest.mark.parametrize("count", [0, 12])
def test_without_a_seen_prototype_it_is_a_zero_attached_to_the_graph(loss, oracle, count):
    z = rows()[:count].requires_grad_(True)
    nothing = torch.zeros(2, PEOPLE, 4, dtype=torch.float64), torch.zeros(2, PEOPLE, dtype=torch.bool)
    value = loss(z, LABELS[:count], MODALITY[:count], *nothing)
    value.backward()
    assert value.shape == () and value.item() == 0 and z.grad.shape == (count, 4) and (z.grad == 0).all()


@both_losses
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(loss, oracle, dtype):
    z = rows().to(dtype).requires_grad_(True)
    prototypes, seen = memory(*PARTLY)
    value = loss(z, LABELS, MODALITY, prototypes.float(), seen)
    value.backward()
    assert value.dtype == torch.float32 and z.grad.dtype == dtype and z.grad.isfinite().all()
    assert value.item() == pytest.approx(oracle(z.detach().double(), LABELS, MODALITY, prototypes, seen), rel=1e-4)


@both_losses
def test_autocast_changes_nothing(loss, oracle):
    z, (prototypes, seen) = rows().float(), memory()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(z, LABELS, MODALITY, prototypes.float(), seen)
    assert value.dtype == torch.float32 and torch.equal(value, loss(z, LABELS, MODALITY, prototypes.float(), seen))
    assert loss(z.double(), LABELS, MODALITY, prototypes.float(), seen).dtype == torch.float64


@both_losses
def test_order_of_rows_names_of_people_and_turns_do_not_matter(loss, oracle):
    z, (prototypes, seen) = rows(), memory(*PARTLY)
    value = loss(z, LABELS, MODALITY, prototypes, seen)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(z[order], LABELS[order], MODALITY[order], prototypes, seen), value)
    names = torch.tensor([4, 2, 0, 1, 3])  # person c is now called names[c]
    renamed = torch.empty_like(prototypes).index_copy(1, names, prototypes), torch.empty_like(seen).index_copy(1, names, seen)
    torch.testing.assert_close(loss(z, names[LABELS], MODALITY, *renamed), value)
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))).Q
    torch.testing.assert_close(loss(z @ turn, LABELS, MODALITY, prototypes @ turn, seen), value)
    torch.testing.assert_close(loss(z, LABELS, 1 - MODALITY, prototypes.flip(0), seen.flip(0)), value)


@both_losses
def test_a_modality_learns_from_its_own_prototypes_alone(loss, oracle):
    z, (prototypes, seen) = rows(), memory()
    visible = loss(z[:6], LABELS[:6], MODALITY[:6], prototypes, seen)
    other = prototypes.clone()
    other[1] = directions(PEOPLE, 4, seed=11)
    assert torch.equal(loss(z[:6], LABELS[:6], MODALITY[:6], other, seen), visible)


def test_mimic_is_zero_at_the_prototype_two_at_right_angles_and_four_opposite():
    axes = torch.eye(2, dtype=torch.float64)
    one, seen, where = axes[:1].reshape(1, 1, 2), torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, dtype=torch.long)
    found = [prototype_mimic(z[None], where, where, one, seen).item() for z in (axes[0], axes[1], -axes[0])]
    assert found == [0, 2, 4]
    z, (prototypes, seen) = rows(), memory()
    cosine = (z * prototypes[MODALITY, LABELS]).sum(1)
    torch.testing.assert_close(prototype_mimic(z, LABELS, MODALITY, prototypes, seen), (2 - 2 * cosine).mean())


def test_classification_on_paper():
    """Two prototypes at right angles, a row at the first: log(1 + exp(-1 / tau)); alone it has nothing to be taken for."""
    prototypes, seen = torch.eye(2, dtype=torch.float64)[None], torch.ones(1, 2, dtype=torch.bool)
    z, where = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.zeros(1, dtype=torch.long)
    loss = partial(prototype_classification, z, where, where, prototypes)
    assert loss(seen, temperature=0.5).item() == pytest.approx(math.log1p(math.exp(-2)))
    assert loss(torch.tensor([[True, False]])).item() == 0


def test_classification_stays_finite_at_a_low_temperature():
    z = rows().float().requires_grad_(True)
    prototypes, seen = memory(*PARTLY)
    value = prototype_classification(z, LABELS, MODALITY, prototypes.float(), seen, temperature=1e-4)
    value.backward()
    assert value.isfinite() and z.grad.isfinite().all()


# Prototypes follow.


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("unseen", [(), PARTLY], ids=["all seen", "some unseen"])
def test_update_equals_the_loop(momentum, unseen):
    before, seen = memory(*unseen)
    kept = before.clone(), seen.clone()
    after, now = updated_prototypes(before, seen, rows(), LABELS, MODALITY, momentum=momentum)
    vectors, flags = naive_update(before, seen, rows(), LABELS, MODALITY, momentum)
    torch.testing.assert_close(after, torch.tensor(vectors, dtype=torch.float64))
    assert now.tolist() == flags
    assert torch.equal(before, kept[0]) and torch.equal(seen, kept[1])
    torch.testing.assert_close(after.norm(dim=2), now.double())
    absent = torch.tensor([1, 4])
    assert torch.equal(after[:, absent], before[:, absent]) and torch.equal(now[:, absent], seen[:, absent])


def test_momentum_one_freezes_and_zero_is_the_mean_direction_of_the_batch():
    before, seen = memory()
    frozen, _ = updated_prototypes(before, seen, rows(), LABELS, MODALITY, momentum=1.0)
    torch.testing.assert_close(frozen, before, rtol=0, atol=1e-15)
    anew, _ = updated_prototypes(before, seen, rows(), LABELS, MODALITY, momentum=0.0)
    torch.testing.assert_close(anew[1, 3], F.normalize(rows()[6:8].mean(0), dim=0))


def test_update_carries_no_gradient_and_keeps_its_precision():
    before, seen = memory()
    after, _ = updated_prototypes(before.float(), seen, rows().requires_grad_(True), LABELS, MODALITY)
    assert not after.requires_grad and after.dtype == torch.float32
    half, _ = updated_prototypes(before.bfloat16(), seen, rows().bfloat16(), LABELS, MODALITY)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), after, rtol=0, atol=0.02)


def test_rows_that_cancel_give_no_direction():
    """Two opposite rows have no mean direction: an old prototype stays, a new one waits for the next batch."""
    z = torch.tensor([[1.0, 0], [-1, 0]], dtype=torch.float64)
    labels, modality, old = torch.zeros(2, dtype=torch.long), torch.zeros(2, dtype=torch.long), torch.tensor([[[0.0, 1.0]]]).double()
    for seen in (True, False):
        flags = torch.full((1, 1), seen)
        after, now = updated_prototypes(old * seen, flags, z, labels, modality, momentum=0.0)
        assert torch.equal(after, old * seen) and torch.equal(now, flags)
    after, now = updated_prototypes(old, torch.full((1, 1), True), -old[0], labels[:1], modality[:1], momentum=0.5)
    assert torch.equal(after, old) and now.all()


def test_no_rows_move_nothing():
    before, seen = memory(*PARTLY)
    after, now = updated_prototypes(before, seen, rows()[:0], LABELS[:0], MODALITY[:0])
    assert torch.equal(after, before) and torch.equal(now, seen)


def test_centers_are_means_in_a_known_order_for_any_order_of_rows():
    order = torch.randperm(11, generator=torch.Generator().manual_seed(3))  # the last row is left out: unequal numbers
    centers, modality, labels = class_centers(rows()[order], LABELS[order], MODALITY[order])
    assert modality.tolist() == [0, 0, 0, 1, 1, 1] and labels.tolist() == [0, 2, 3, 0, 2, 3]
    torch.testing.assert_close(centers[2], rows()[:2].mean(0))
    torch.testing.assert_close(centers[4], rows()[10])
    assert torch.autograd.gradcheck(lambda x: class_centers(x, LABELS, MODALITY)[0], (rows().requires_grad_(True),))


def test_wrong_inputs_are_named():
    z, (prototypes, seen) = rows(), memory()
    functions = {
        prototype_mimic: lambda p, s, *batch: prototype_mimic(*batch, p, s),
        prototype_classification: lambda p, s, *batch: prototype_classification(*batch, p, s),
        updated_prototypes: updated_prototypes,
    }
    for call in functions.values():
        for arguments, message in [
            ((prototypes, seen, z, LABELS[:3], MODALITY), r"expected labels \(12,\) of an integer dtype.*found \(3,\)"),
            ((prototypes, seen, z, LABELS, MODALITY.float()), r"expected modality \(12,\) of an integer dtype.*float32"),
            ((prototypes[0], seen, z, LABELS, MODALITY), r"expected prototypes \(M, C, 4\); found \(5, 4\)"),
            ((prototypes[..., :3], seen, z, LABELS, MODALITY), r"expected prototypes \(M, C, 4\); found \(2, 5, 3\)"),
            ((prototypes, seen.float(), z, LABELS, MODALITY), r"expected seen \(2, 5\) of dtype torch.bool; found \(2, 5\) torch.float32"),
            ((prototypes, seen, z, LABELS + 2, MODALITY), r"expected labels in 0\.\.4; found 2\.\.5"),
            ((prototypes, seen, z, LABELS, MODALITY - 1), r"expected modality in 0\.\.1; found -1\.\.0"),
        ]:
            with pytest.raises(ValueError, match=message):
                call(*arguments)
    with pytest.raises(ValueError, match="positive temperature; found 0"):
        prototype_classification(z, LABELS, MODALITY, prototypes, seen, temperature=0)
    with pytest.raises(ValueError, match=r"momentum in 0\.\.1; found 1\.5"):
        updated_prototypes(prototypes, seen, z, LABELS, MODALITY, momentum=1.5)

"""Similarity maps add up to the cosine, Grad-CAM equals a loop, and both lose their pattern with the weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attribution_world import Store, mapped
from torch.nn import functional as F
from viz_world import PEOPLE

from vireidkit.analysis import attention_maps, grad_cam, randomisation_check, similarity_map_of, similarity_maps
from vireidkit.analysis.attribution import scaled
from vireidkit.analysis.randomisation import randomised
from vireidkit.data.augmentation import normalise
from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError
from vireidkit.evaluation import extract_features
from vireidkit.evaluation.features import modality_codes
from vireidkit.methods import Method, build_method

QUERY, GALLERY = 5, 18


def inputs(method: Method, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    store = Store()
    dtype = next(method.parameters()).dtype
    return normalise(store.images(torch.tensor(rows))).to(dtype), modality_codes(store.table)[rows]


# --- similarity maps ------------------------------------------------------------------------------------------------------------------


def test_average_pooling_is_exact_position_by_position() -> None:
    """Oracle: the descriptor is affine in the map, so a position's share is u . W z_p / P over the length."""
    method = mapped(double=True).eval()
    found = similarity_maps(method, Store(), QUERY, GALLERY)
    (query, gallery), codes = inputs(method, [QUERY, GALLERY])[0].split(1), inputs(method, [QUERY])[1]
    with torch.no_grad():
        z = method.stages_of(query, codes)["second"][0]  # (C, h, w)
        own, other = method.embed(query, codes)[0], method.embed(gallery, codes)[0]
    scale = method.neck.weight / (method.neck.running_var + method.neck.eps).sqrt()
    shift = method.neck.bias - method.neck.running_mean * scale
    direction = (other / other.norm()).detach()
    for y in range(z.shape[1]):
        for x in range(z.shape[2]):
            expected = float((direction * scale.detach() * z[:, y, x]).sum() / z[0].numel() / own.norm())
            assert found.query.contributions[y, x] == pytest.approx(expected, abs=1e-12)
    assert found.query.bias == pytest.approx(float(direction @ shift.detach() / own.norm()))
    assert (found.kind, found.stage) == ("exact", "second")
    assert found.cosine == pytest.approx(float(F.cosine_similarity(own, other, dim=0)))


# GeM is of degree one but for the 1e-12 under its root, which leaves 1e-4 a channel in an empty map.
@pytest.mark.parametrize(("pooling", "kind", "near"), [("average", "exact", 1e-12), ("gem", "first order", 3e-3)])
@pytest.mark.parametrize("shift", [True, False])
def test_contributions_and_bias_add_up_to_the_cosine(pooling: str, kind: str, near: float, shift: bool) -> None:
    found = similarity_maps(mapped(pooling, shift=shift, double=True), Store(), QUERY, GALLERY)
    assert found.kind == kind
    for side in (found.query, found.gallery):
        assert side.contributions.sum() + side.bias == pytest.approx(found.cosine, abs=near)
        assert abs(side.residual) < near
        assert (side.bias == pytest.approx(0, abs=near)) != shift
        assert side.shares.sum() == pytest.approx(found.cosine)
        assert side.scaled.max() == pytest.approx(1) or side.shares.max() <= 0


def test_what_the_first_order_misses_is_kept() -> None:
    """Pooling of degree two counts every term twice, and the residual says so."""
    side = similarity_maps(mapped("square", shift=False, double=True), Store(), QUERY, GALLERY).query
    assert not side.exact
    assert side.residual == pytest.approx(-side.contributions.sum() / 2)


def test_mirror_images_are_averaged_as_in_the_features() -> None:
    method = mapped(flip_average=True)
    method.origin = "trained"
    features = extract_features(method, Store())
    found = similarity_maps(method, Store(), QUERY, GALLERY)
    assert found.cosine == pytest.approx(1 - float(features.distance([QUERY], [GALLERY])), abs=1e-5)
    for side in (found.query, found.gallery):
        assert side.contributions.sum() + side.bias == pytest.approx(found.cosine, abs=1e-5)
    euclidean = mapped(flip_average=True, metric="euclidean")
    side = similarity_maps(euclidean, Store(), QUERY, GALLERY).query
    assert abs(side.residual) < 1e-5


def test_a_region_that_holds_nothing_adds_nothing() -> None:
    """A black picture but for one corner: without a bias anywhere, only this corner can agree."""
    method = mapped(shift=False, double=True)
    with torch.no_grad():
        for layer in (method.first[0], method.second[0]):
            layer.bias.zero_()

    class Corner(Store):
        def images(self, rows: torch.Tensor) -> torch.Tensor:
            # ImageNet's mean is what becomes zero.
            pictures = torch.tensor([124, 116, 104], dtype=torch.uint8).expand(len(rows), 16, 8, 3).clone()
            pictures[:, :4, :2] = super().images(rows)[:, :4, :2]
            return pictures

    share = np.abs(similarity_maps(method, Corner(), QUERY, GALLERY).gallery.contributions)
    assert share[:3, :2].sum() > 0.85 * share.sum()  # 6 of 32 positions; a mean in whole grey levels leaves a little


def test_the_method_is_left_as_it_was_and_the_browser_gets_a_map() -> None:
    method = mapped()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    assert method.training
    found = similarity_map_of(method, Store(), side="query")(QUERY, GALLERY)
    assert found.shape == (8, 4)
    assert 0 <= found.min() <= found.max() <= 1
    assert np.allclose(found, similarity_maps(method, Store(), QUERY, GALLERY).query.scaled)
    assert method.training and all(parameter.grad is None for parameter in method.parameters())
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


class Large(Store):
    def images(self, rows: torch.Tensor) -> torch.Tensor:
        return super().images(rows).repeat_interleave(4, 1).repeat_interleave(4, 2)


def test_the_registered_baseline_is_decomposed_whatever_its_pooling() -> None:
    for pooling, kind in (("gem", "first order"), ("average", "exact")):
        method = build_method("agw", 5, trunk="resnet18", width=0.125, pooling=pooling, split=5)
        found = similarity_maps(method, Large(), QUERY, GALLERY)
        assert (found.kind, found.stage) == (kind, "layer4")
        assert found.query.contributions.sum() + found.query.bias == pytest.approx(found.cosine, abs=1e-3)
    assert similarity_maps(method, Large(), QUERY, GALLERY, stage="layer3").stage == "layer3"


def test_mistakes_are_named() -> None:
    class Blind(type(mapped())):
        def stages_of(self, images, modality):
            return {}

    class Elsewhere(type(mapped())):
        def stages_of(self, images, modality):
            return {"side branch": self.first(images).exp()}

    blind, elsewhere = (kind(5, mapped().settings) for kind in (Blind, Elsewhere))
    with pytest.raises(SettingError, match="stages_of is empty"):
        similarity_maps(blind, Store(), QUERY, GALLERY)
    with pytest.raises(SettingError, match="'side branch'; name another stage"):
        similarity_maps(elsewhere, Store(), QUERY, GALLERY)
    with pytest.raises(SettingError, match=r"no stage 'third'; known: first, second"):
        similarity_maps(mapped(), Store(), QUERY, GALLERY, stage="third")
    with pytest.raises(IndexError, match=r"between 0 and 39, found \[40\]"):
        similarity_maps(mapped(), Store(), 40, GALLERY)
    with pytest.raises(SettingError, match="query, gallery"):
        similarity_map_of(mapped(), Store(), side="left")
    dead = mapped(shift=False)
    torch.nn.init.zeros_(dead.second[0].weight)
    torch.nn.init.constant_(dead.second[0].bias, -1)
    with pytest.raises(ValueError, match="row 5 a descriptor that is zero"):
        similarity_maps(dead, Store(), QUERY, GALLERY)


# --- Grad-CAM and own maps ------------------------------------------------------------------------------------------------------------


def test_grad_cam_equals_a_loop_and_keeps_the_order_of_the_rows() -> None:
    method = mapped(steps=5, double=True).eval()
    rows = [5, 0, 18, 3]
    labels = [PEOPLE.index(one) for one in Store().table["identity"].iloc[rows]]
    found = grad_cam(method, Store(), rows, labels)
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        images, codes = inputs(method, [row])
        z = method.stages_of(images, codes)["second"].detach().requires_grad_()
        logits = method.head(method.neck(z.mean((2, 3))))
        torch.log_softmax(logits, 1)[0, label].backward()
        expected = np.zeros((8, 4))
        for channel in range(12):
            expected += float(z.grad[0, channel].mean()) * z.detach()[0, channel].numpy()
        expected = np.maximum(expected, 0)
        assert np.allclose(found[place], expected / max(expected.max(), 1e-30), atol=1e-6)


def test_grad_cam_names_mistakes() -> None:
    with pytest.raises(SettingError, match="no loss term 'triplet'; found id"):
        grad_cam(mapped(), Store(), [0], [0], term="triplet")
    with pytest.raises(ValueError, match="class from 0 to 4 for each of 1 pictures"):
        grad_cam(mapped(), Store(), [0], [5])
    with pytest.raises(ValueError, match="for each of 2 pictures"):
        grad_cam(mapped(), Store(), [0, 1], [0])


def test_a_batch_method_gets_its_visible_rows_first() -> None:
    seen = []

    class Watching(type(mapped())):
        def forward(self, batch: Batch, terms=None):
            seen.append(batch)
            return super().forward(batch, terms)

    method = Watching(5, mapped().settings)
    grad_cam(method, Store(), [5, 0, 18], [0, 0, 2])
    assert seen[0].modality.tolist() == [0, 0, 1]
    assert seen[0].rows.tolist() == [0, 18, 5]
    assert seen[0].labels.tolist() == [0, 2, 0]


def test_own_maps() -> None:
    method = mapped()
    found = attention_maps(method, Store(), [0, 5])
    assert {name: maps.shape for name, maps in found.items()} == {"bright": (2, 8, 4)}
    assert method.training

    class Wild(type(method)):
        def maps_of(self, images, modality):
            return {"wild": self.first(images).mean(1) + 2}

    with pytest.raises(ValueError, match=r"'wild'.*0..1"):
        attention_maps(Wild(5, method.settings), Store(), [0, 5])
    with pytest.raises(SettingError, match="maps_of is empty"):
        attention_maps(build_method("agw", 5, trunk="resnet18", width=0.125), Store(), [0])


def test_scaled_maps() -> None:
    assert scaled(np.array([[[-1.0, 2.0, 4.0]], [[-1.0, -2.0, 0.0]]])).tolist() == [[[0, 0.5, 1]], [[0, 0, 0]]]


# --- randomisation --------------------------------------------------------------------------------------------------------------------

PAIRS = [(row, (row + 11) % 40) for row in range(0, 40, 2)]


def shares(method: Method) -> list[np.ndarray]:
    return [similarity_maps(method, Store(), query, gallery).gallery.shares for query, gallery in PAIRS]


def test_maps_of_a_trained_network_do_not_outlive_its_weights() -> None:
    """The check of Adebayo et al.: rank correlation below 0.3 for similarity maps and Grad-CAM."""
    method = mapped(steps=60)
    rows = list(range(0, 40, 2))
    labels = [PEOPLE.index(one) for one in Store().table["identity"].iloc[rows]]
    for maps_of in (shares, lambda one: grad_cam(one, Store(), rows, labels)):
        found = randomisation_check(method, maps_of, draws=4).iloc[-1]
        assert found["randomised"] == "everything"
        assert abs(found["correlation"]) < 0.3
        assert found["low"] <= found["correlation"] <= found["high"]
        assert found["passed"]


def test_a_map_of_the_picture_alone_fails_the_check() -> None:
    """The known bad case: an edge detector looks plausible and knows nothing of the network."""

    def edges(method: Method) -> np.ndarray:
        images = inputs(mapped(), [0, 5, 18, 30])[0].mean(1).numpy()
        return np.abs(np.diff(images, axis=2))

    found = randomisation_check(mapped(), edges).iloc[-1]
    assert found["correlation"] == pytest.approx(1)
    assert not found["passed"]


def test_the_cascade_runs_from_the_result_downwards() -> None:
    method = mapped(steps=20)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    found = randomisation_check(method, shares, draws=1, cascade=True)
    assert found["randomised"].tolist() == ["head", "neck", "second.0", "first.0", "everything"]
    assert found["correlation"].iloc[0] == pytest.approx(1), "the classifier has no part in a descriptor"
    assert found["correlation"].iloc[-1] == pytest.approx(found["correlation"].iloc[-2])
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


def test_spearman_is_scipy_s_and_even_maps_count_nowhere() -> None:
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 5, 4, 3)).round(1)
    second[4] = 7.0
    calls = iter((first, second))
    found = randomisation_check(mapped(), lambda method: next(calls), draws=1).iloc[0]
    expected = np.mean([spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first[:4], second[:4], strict=True)])
    assert found["correlation"] == pytest.approx(expected)
    assert found["maps"] == 4


def test_random_copies() -> None:
    class Bare(type(mapped())):
        def __init__(self, num_identities, settings):
            super().__init__(num_identities, settings)
            self.scale = torch.nn.Parameter(torch.arange(6.0))

    method = Bare(5, mapped().settings)
    other = randomised(method, seed=1)
    assert sorted(other.scale.tolist()) == list(range(6))
    assert other.scale.tolist() != method.scale.tolist()
    assert not torch.equal(other.first[0].weight, method.first[0].weight)
    assert torch.equal(randomised(method, ("neck",)).first[0].weight, method.first[0].weight)
    assert torch.equal(randomised(method, seed=1).first[0].weight, other.first[0].weight)


def test_the_check_names_mistakes() -> None:
    with pytest.raises(SettingError, match="at least one draw"):
        randomisation_check(mapped(), shares, draws=0)
    with pytest.raises(ValueError, match=r"\(N, h, w\)"):
        randomisation_check(mapped(), lambda method: np.ones(3))
    with pytest.raises(ValueError, match="finite"):
        randomisation_check(mapped(), lambda method: np.full((1, 2, 2), np.nan))

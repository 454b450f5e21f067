"""rank_metrics against a loop that a reader can follow, and against examples worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vireidkit.evaluation import metrics, rank_metrics


def loop_oracle(distance, query_ids, gallery_ids, excluded, cmc, ap, max_rank):
    """The definitions of datasets.md section 0, one query at a time."""
    curves, aps, inps, firsts = [], [], [], []
    for q, own in enumerate(query_ids):
        order = sorted(range(len(gallery_ids)), key=lambda g, q=q: (distance[q][g], g))
        ranked = [gallery_ids[g] for g in order if not excluded[q][g]]
        places = [place for place, identity in enumerate(ranked, start=1) if identity == own]
        if not places:
            aps.append(np.nan), inps.append(np.nan), firsts.append(-1)
            continue
        terms = []
        for j, place in enumerate(places, start=1):
            before = 1.0 if place == 1 else (j - 1) / (place - 1)
            terms.append(j / place if ap == "plain" else (before + j / place) / 2)
        aps.append(sum(terms) / len(places))
        inps.append(len(places) / places[-1])
        firsts.append(places[0])
        reduced = list(dict.fromkeys(ranked)) if cmc == "identity" else ranked
        rank = reduced.index(own) + 1
        curves.append([float(rank <= k) for k in range(1, max_rank + 1)])
    curve = np.mean(curves, axis=0) if curves else np.full(max_rank, np.nan)
    return curve, np.array(aps), np.array(inps), np.array(firsts)


@st.composite
def cases(draw):
    queries, gallery = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels, dtype = draw(st.sampled_from([1, 2, 4, 50])), draw(st.sampled_from(["f8", "f4", "f2", "i8"]))
    return {
        "distance": random.integers(0, levels, (queries, gallery)).astype(dtype),
        "query_ids": random.integers(0, 4, queries),
        "gallery_ids": random.integers(0, 5, gallery),
        "excluded": random.random((queries, gallery)) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0])),
    }


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from(["identity", "image"]), st.sampled_from(["plain", "trapezoid"]), st.integers(1, 15), st.booleans())
def test_equals_the_loop(case, cmc, ap, max_rank, as_tensor):
    curve, aps, inps, firsts = loop_oracle(**case, cmc=cmc, ap=ap, max_rank=max_rank)
    inputs = {name: torch.tensor(value) for name, value in case.items()} if as_tensor else case
    found = rank_metrics(**inputs, cmc=cmc, ap=ap, max_rank=max_rank)
    np.testing.assert_allclose(found.cmc, curve, atol=1e-12)
    np.testing.assert_allclose(found.ap, aps, atol=1e-12)
    np.testing.assert_allclose(found.inp, inps, atol=1e-12)
    assert found.first_hit.tolist() == firsts.tolist()
    assert found.valid_queries == (firsts > 0).sum()
    if found.valid_queries:
        assert found.map == pytest.approx(np.nanmean(aps), abs=1e-12)
        assert found.minp == pytest.approx(np.nanmean(inps), abs=1e-12)
    else:
        assert np.isnan([found.map, found.minp]).all()


# One query of identity 7; distances ascend with the column, so a column is a place.
HAND = [4, 4, 7, 4, 9, 7, 2, 7]  # matches at 3, 6, 8


def test_by_hand():
    found = rank_metrics(np.arange(8.0)[None], [7], HAND, max_rank=4)
    assert found.map == pytest.approx((1 / 3 + 2 / 6 + 3 / 8) / 3)
    assert found.minp == pytest.approx(3 / 8)
    assert found.first_hit.tolist() == [3]
    assert found.rank.tolist() == [2]  # one other identity, 4, comes first
    assert found.cmc.tolist() == [0, 1, 1, 1]
    image = rank_metrics(np.arange(8.0)[None], [7], HAND, max_rank=4, cmc="image")
    assert image.cmc.tolist() == [0, 0, 1, 1] and image.map == found.map
    trapezoid = rank_metrics(np.arange(8.0)[None], [7], HAND, ap="trapezoid")
    assert trapezoid.map == pytest.approx(((0 / 2 + 1 / 3) / 2 + (1 / 5 + 2 / 6) / 2 + (2 / 7 + 3 / 8) / 2) / 3)


def test_trapezoid_takes_one_before_the_first_place():
    found = rank_metrics(np.arange(3.0)[None], [1], [1, 2, 1], ap="trapezoid")
    assert found.map == pytest.approx(((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2) / 2)


def test_excluded_images_take_no_place():
    excluded = np.array([[True, True, False, False, False, True, False, False]])
    found = rank_metrics(np.arange(8.0)[None], [7], HAND, excluded=excluded)
    assert found.first_hit.tolist() == [1]  # left: 7 4 9 2 7
    assert found.map == pytest.approx((1 + 2 / 5) / 2)
    assert found.minp == pytest.approx(2 / 5)


def test_an_identity_with_its_best_image_excluded_counts_at_its_next():
    # 4 stands first but that image is excluded; its next image comes after the hit, so nobody precedes.
    found = rank_metrics(np.arange(3.0)[None], [7], [4, 7, 4], excluded=np.array([[True, False, False]]))
    assert found.rank.tolist() == [1]


def test_queries_without_a_match_are_dropped():
    found = rank_metrics(np.array([[0.0, 1.0], [0.0, 1.0]]), [1, 3], [1, 2])
    assert found.valid_queries == 1 and found.map == 1 and found.cmc[0] == 1
    assert np.isnan(found.ap[1]) and np.isnan(found.inp[1]) and found.first_hit.tolist() == [1, -1]


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
def test_empty_sides_give_nan(shape):
    found = rank_metrics(np.zeros(shape), np.ones(shape[0], int), np.ones(shape[1], int), max_rank=5)
    assert found.valid_queries == 0 and np.isnan(found.map) and np.isnan(found.cmc).all() and found.cmc.shape == (5,)
    assert found.ap.shape == (shape[0],)


def test_equal_distances_keep_the_order_of_the_gallery():
    # 300 equal keys: an unstable sort shuffles them.
    gallery = np.arange(300)
    found = rank_metrics(np.zeros((3, 300), dtype=np.float16), [0, 150, 299], gallery, cmc="image")
    assert found.first_hit.tolist() == [1, 151, 300]


def test_curve_goes_on_where_the_gallery_ends():
    found = rank_metrics(np.array([[1.0, 0.0]]), [1], [1, 2], max_rank=20)
    assert found.cmc.tolist() == [0.0] + [1.0] * 19


def test_ragged_exclusions_do_not_crash_and_keep_their_hit():
    distance = np.tile(np.arange(4.0), (2, 1))
    excluded = np.array([[False, False, False, False], [True, True, True, False]])
    found = rank_metrics(distance, [2, 2], [1, 3, 4, 2], excluded=excluded, max_rank=4)
    assert found.cmc.tolist() == [0.5, 0.5, 0.5, 1.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool])
def test_every_dtype_ranks(dtype):
    distance = torch.tensor([[1, 0, 1], [0, 1, 1]]).to(dtype)
    found = rank_metrics(distance, [5, 5], [5, 6, 6])
    assert found.first_hit.tolist() == [2, 1] and found.ap.dtype == np.float64


def test_float64_differences_below_float32_count():
    assert rank_metrics(np.array([[1 + 1e-12, 1.0]]), [1], [1, 2]).first_hit.tolist() == [2]


def test_blocks_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    case = {"distance": random.integers(0, 5, (23, 11)), "query_ids": random.integers(0, 4, 23), "gallery_ids": random.integers(0, 4, 11)}
    excluded = random.random((23, 11)) < 0.3
    whole = rank_metrics(**case, excluded=excluded)
    monkeypatch.setattr(metrics, "BLOCK_ENTRIES", 50)  # 4 queries at a time
    parts = rank_metrics(**case, excluded=excluded)
    for name in ("cmc", "ap", "inp", "first_hit", "rank"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_inputs_stay_as_they_were():
    random = np.random.default_rng(1)
    arrays = [random.random((4, 6)), random.integers(0, 3, 4), random.integers(0, 3, 6), random.random((4, 6)) < 0.5]
    for array in arrays:
        array.flags.writeable = False
    rank_metrics(*arrays[:3], excluded=arrays[3])
    tensors = [torch.tensor(array) for array in arrays]
    copies = [tensor.clone() for tensor in tensors]
    rank_metrics(*tensors[:3], excluded=tensors[3])
    assert all(torch.equal(one, other) for one, other in zip(tensors, copies, strict=True))


def test_reversed_arrays_text_identities_and_gradients_are_taken():
    backwards = np.array([[2.0, 1.0, 0.0]])[:, ::-1]
    assert rank_metrics(backwards, ["ann"], ["bob", "ann", "ann"]).first_hit.tolist() == [2]
    assert rank_metrics(torch.tensor(backwards.copy(), requires_grad=True), [1], [1, 2, 2]).first_hit.tolist() == [1]


def test_infinite_distance_is_the_farthest():
    assert rank_metrics(np.array([[np.inf, 5.0]]), [1], [1, 2]).first_hit.tolist() == [2]


def test_nan_is_refused_unless_it_is_excluded():
    distance = np.array([[0.0, 1.0, 2.0], [0.0, np.nan, 2.0]])
    with pytest.raises(ValueError, match="NaN at query 1, gallery 1"):
        rank_metrics(distance, [1, 1], [2, 1, 3])
    excluded = np.isnan(distance)
    assert rank_metrics(distance, [1, 1], [2, 1, 3], excluded=excluded).valid_queries == 1


def test_nan_names_the_query_of_a_later_block(monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK_ENTRIES", 4)
    distance = np.zeros((5, 3))
    distance[4, 2] = np.nan
    with pytest.raises(ValueError, match="query 4, gallery 2"):
        rank_metrics(distance, np.ones(5), np.ones(3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distance": np.zeros(3)}, r"\(queries, gallery\), found \(3,\)"),
        ({"distance": [[0.0]]}, "found list"),
        ({"distance": np.zeros((2, 3), complex)}, "real numbers"),
        ({"query_ids": [1]}, r"query_ids must be \(2,\)"),
        ({"gallery_ids": [1, 2]}, r"gallery_ids must be \(3,\)"),
        ({"gallery_ids": ["a", "b", "c"]}, "one kind"),
        ({"gallery_ids": [1, np.nan, 2]}, "gallery_ids holds NaN"),
        ({"excluded": np.zeros((3, 2), bool)}, r"bool \(2, 3\)"),
        ({"excluded": np.zeros((2, 3))}, "found float64"),
        ({"cmc": "person"}, "identity, image"),
        ({"ap": "area"}, "plain, trapezoid"),
        ({"max_rank": 0}, "at least 1"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    fine = {"distance": np.zeros((2, 3)), "query_ids": [1, 2], "gallery_ids": [1, 2, 3]}
    rank_metrics(**fine)
    with pytest.raises(ValueError, match=message):
        rank_metrics(**{**fine, **change})


def test_identity_and_image_rank_1_agree_and_identity_is_never_lower():
    random = np.random.default_rng(2)
    case = (random.random((40, 60)), random.integers(0, 9, 40), random.integers(0, 9, 60))
    identity, image = (rank_metrics(*case, cmc=kind).cmc for kind in ("identity", "image"))
    assert identity[0] == image[0] and (identity >= image).all() and identity[4] > image[4]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="not run: no CUDA device")
def test_the_accelerator_ranks_alike():
    random = np.random.default_rng(3)
    case = (torch.tensor(random.integers(0, 20, (50, 80))).float(), random.integers(0, 9, 50), random.integers(0, 9, 80))
    here, there = rank_metrics(*case), rank_metrics(case[0].to("cuda"), *case[1:])
    np.testing.assert_array_equal(here.ap, there.ap)
    np.testing.assert_array_equal(here.rank, there.rank)

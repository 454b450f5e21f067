"""rank_metrics against a loop that a reader can follow, and against examples worked out by hand."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import rank_loop

from vireidkit.evaluation import metrics, rank_metrics, ranking


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


def by_sorting(values, excluded, codes, cmc, ap):
    """What accelerators do, on the CPU."""
    return ranking.sort_places(torch.tensor(values), None if excluded is None else torch.tensor(excluded), codes, cmc, ap)


@settings(max_examples=200, deadline=None)
@given(
    cases(),
    st.sampled_from(["identity", "image"]),
    st.sampled_from(["plain", "trapezoid"]),
    st.integers(1, 15),
    st.booleans(),
    st.sampled_from(["counting", "sorting", "both"]),
)
def test_equals_the_loop(case, cmc, ap, max_rank, as_tensor, way):
    expected = rank_loop(**case, cmc=cmc, ap=ap, max_rank=max_rank)
    inputs = {name: torch.tensor(value) for name, value in case.items()} if as_tensor else case
    with pytest.MonkeyPatch.context() as patch:
        if way == "sorting":
            patch.setattr(metrics, "count_places", by_sorting)
        if way == "both":
            patch.setattr(ranking, "MANY_MATCHES", 2)
        found = rank_metrics(**inputs, cmc=cmc, ap=ap, max_rank=max_rank)
    np.testing.assert_array_equal(found.cmc, expected.cmc)
    np.testing.assert_allclose(found.ap, expected.ap, atol=1e-12, rtol=0)
    np.testing.assert_allclose(found.inp, expected.inp, atol=1e-12, rtol=0)
    assert found.first_hit.tolist() == expected.first_hit.tolist()
    assert found.valid_queries == (expected.first_hit > 0).sum()
    np.testing.assert_allclose([found.map, found.minp], [expected.map, expected.minp], atol=1e-12, rtol=0)


@pytest.mark.parametrize("sorting", [False, True])
@pytest.mark.parametrize("cmc", ["identity", "image"])
def test_equals_the_loop_on_a_larger_case(cmc, sorting, monkeypatch):
    """More gallery images than a byte counts, ties, exclusions by camera, distractors that nobody asks for."""
    random = np.random.default_rng(4)
    distance = (random.random((60, 700)) * 300).astype(np.int16)
    people, places = (random.integers(0, 12, 60), random.integers(0, 40, 700)), (random.integers(0, 3, 60), random.integers(0, 3, 700))
    excluded = (people[0][:, None] == people[1]) & (places[0][:, None] == places[1])
    if sorting:
        monkeypatch.setattr(metrics, "count_places", by_sorting)
    found = rank_metrics(distance, *people, excluded=excluded, cmc=cmc)
    expected = rank_loop(distance.tolist(), *(own.tolist() for own in people), excluded.tolist(), cmc, "plain", 20)
    np.testing.assert_array_equal(found.cmc, expected.cmc)
    np.testing.assert_allclose(found.ap, expected.ap, atol=1e-12, rtol=0)
    np.testing.assert_array_equal(found.first_hit, expected.first_hit)


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


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f2", np.longdouble, ">i4"])
@pytest.mark.parametrize("many", [1, 100])
def test_unusual_arrays_rank(dtype, many, monkeypatch):
    monkeypatch.setattr(ranking, "MANY_MATCHES", many)
    distance = np.asfortranarray(np.array([[1, 0, 3], [0, 1, 3]])).astype(dtype)
    assert rank_metrics(distance, [5, 5], [5, 6, 6]).first_hit.tolist() == [2, 1]


def test_float64_differences_below_float32_count():
    assert rank_metrics(np.array([[1 + 1e-12, 1.0]]), [1], [1, 2]).first_hit.tolist() == [2]


def test_blocks_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    case = {"distance": random.integers(0, 5, (23, 11)), "query_ids": random.integers(0, 4, 23), "gallery_ids": random.integers(0, 4, 11)}
    excluded = random.random((23, 11)) < 0.3
    whole = rank_metrics(**case, excluded=excluded)
    for module, name in ((metrics, "BLOCK_ENTRIES"), (ranking, "COUNTED_ENTRIES"), (ranking, "SORTED_ENTRIES")):
        monkeypatch.setattr(module, name, 50)  # 4 queries at a time
    parts = rank_metrics(**case, excluded=excluded)
    monkeypatch.setattr(metrics, "count_places", by_sorting)
    for found in (parts, rank_metrics(**case, excluded=excluded)):
        for name in ("cmc", "ap", "inp", "first_hit", "rank"):
            np.testing.assert_allclose(getattr(found, name), getattr(whole, name), atol=1e-15, rtol=0)


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
    assert rank_metrics(np.array([[5.0, -np.inf]]), [1], [2, 1]).first_hit.tolist() == [1]


@pytest.mark.parametrize("sorting", [False, True])
def test_infinite_ties_keep_their_order_and_what_is_excluded_takes_no_place(sorting, monkeypatch):
    if sorting:
        monkeypatch.setattr(metrics, "count_places", by_sorting)
    distance = np.full((2, 4), np.inf)
    excluded = np.array([[False] * 4, [True, False, True, False]])
    found = rank_metrics(distance, [1, 1], [2, 3, 2, 1], excluded=excluded)
    assert found.first_hit.tolist() == [4, 2] and found.rank.tolist() == [3, 2]


def test_memory_stays_a_fraction_of_the_matrix():
    """Counting needs a block of rows at a time, not the ranks of the whole matrix (which are twice as large as it)."""
    random = np.random.default_rng(5)
    distance, people = random.random((400, 5000), dtype=np.float32), (random.integers(0, 100, 400), random.integers(0, 100, 5000))
    tracemalloc.start()
    rank_metrics(distance, *people)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < distance.nbytes / 2


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

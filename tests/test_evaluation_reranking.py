"""k-reciprocal re-ranking against a loop that follows the six steps of datasets.md 8, one image at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vireidkit.errors import SettingError
from vireidkit.evaluation import rank_metrics, reranking, reranking_sparse
from vireidkit.evaluation.reranking import ReRanking, k_reciprocal_rerank


def loop_oracle(query, gallery, k1=20, k2=6, lambda_=0.3, neighbours="all"):
    """The definition, with sets and dictionaries; float64."""
    everyone = np.concatenate([query, gallery]).astype(np.float64)
    images, queries = len(everyone), len(query)
    distance = [[float(((a - b) ** 2).sum()) for b in everyone] for a in everyone]
    searched = distance
    if neighbours == "queries":
        farthest = max(map(max, distance))
        searched = [[farthest if j >= queries else row[j] for j in range(images)] for row in distance]
    lists = [sorted(range(images), key=lambda j, row=row: (row[j], j)) for row in searched]
    share = [[d / (max(row) or 1.0) for d in row] for row in distance]

    def reciprocal(i, k):
        return {j for j in lists[i][: k + 1] if i in lists[j][: k + 1]}

    weights = []
    for i in range(images):
        own = reciprocal(i, k1)
        chosen = set(own)
        for candidate in own:
            theirs = reciprocal(candidate, round(k1 / 2))
            if len(theirs & own) > 2 / 3 * len(theirs):
                chosen |= theirs
        raw = {j: math.exp(-share[i][j]) for j in chosen}
        weights.append({j: w / sum(raw.values()) for j, w in raw.items()})
    if k2 > 1:
        near = [lists[i][:k2] for i in range(images)]
        weights = [{c: sum(weights[j].get(c, 0.0) for j in js) / len(js) for c in {c for j in js for c in weights[j]}} for js in near]
    found = np.zeros((queries, images - queries))
    for q in range(queries):
        for g in range(queries, images):
            s = sum(min(w, weights[g].get(c, 0.0)) for c, w in weights[q].items())
            found[q, g - queries] = (1 - lambda_) * (1 - s / (2 - s)) + lambda_ * share[q][g]
    return found


def clusters(seed, queries=14, gallery=22, dim=6, people=5):
    random = np.random.default_rng(seed)
    centres = random.normal(size=(people, dim)) * 2
    ids = [random.integers(0, people, count) for count in (queries, gallery)]
    return *(centres[some] + random.normal(size=(len(some), dim)) for some in ids), *ids


@st.composite
def cases(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = [draw(st.integers(1, 9)), draw(st.integers(1, 12)), draw(st.sampled_from([1, 2, 5]))]
    levels = draw(st.sampled_from([None, 1, 2, 4]))  # whole numbers: distances that are exactly equal in any arithmetic
    rows = [random.normal(size=(n, shape[2])) if levels is None else random.integers(0, levels, (n, shape[2])) * 1.0 for n in shape[:2]]
    options = {"k1": draw(st.sampled_from([1, 2, 3, 5, 20, 60])), "k2": draw(st.sampled_from([1, 2, 3, 6, 40]))}
    options |= {"lambda_": draw(st.sampled_from([0.0, 0.3, 1.0])), "neighbours": draw(st.sampled_from(["all", "queries"]))}
    return *rows, options


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([1, 40, 1 << 25]))
def test_equals_the_loop(case, block_entries):
    query, gallery, options = case
    found = k_reciprocal_rerank(torch.tensor(query), torch.tensor(gallery), block_entries=block_entries, **options)
    assert found.dtype == torch.float64 and found.shape == (len(query), len(gallery))
    np.testing.assert_allclose(found.numpy(), loop_oracle(query, gallery, **options), atol=1e-10)


@pytest.mark.parametrize("neighbours", ["all", "queries"])
@pytest.mark.parametrize("piece", [50, 1 << 21])
def test_equals_the_loop_with_the_usual_parameters(neighbours, piece, monkeypatch):
    monkeypatch.setattr(reranking, "PIECE", piece)
    monkeypatch.setattr(reranking_sparse, "PIECE", piece)
    query, gallery, *_ = clusters(0, 40, 50)
    found = k_reciprocal_rerank(query, gallery, neighbours=neighbours)  # arrays do as well
    np.testing.assert_allclose(found.numpy(), loop_oracle(query, gallery, neighbours=neighbours), atol=1e-10)


def test_expansion_takes_part_in_the_cases():
    """The clusters do hold images whose set E(i) grows beyond R(i, k1): the second half of step 2 is tested by them."""
    query, gallery, *_ = clusters(0, 40, 50)
    images = np.concatenate([query, gallery])
    lists = ((images[:, None] - images) ** 2).sum(2).argsort(1)
    grown = 0
    for i in range(len(images)):
        own = {j for j in lists[i, :21] if i in lists[j, :21]}
        halves = [{m for m in lists[c, :11] if c in lists[m, :11]} for c in own]
        grown += any(not half <= own and 3 * len(half & own) > 2 * len(half) for half in halves)
    assert grown > 10


def test_two_thirds_in_whole_numbers_is_the_float_comparison():
    sizes = np.arange(1, 400)[:, None]
    overlaps = np.arange(400)[None]
    assert ((3 * overlaps > 2 * sizes) == (overlaps > 2 / 3 * sizes)).all()


def test_lambda_one_is_the_original_distance():
    query, gallery, *_ = clusters(2)
    everyone = np.concatenate([query, gallery])
    squared = ((query[:, None] - everyone) ** 2).sum(2)
    expected = squared[:, len(query) :] / squared.max(1, keepdims=True)
    np.testing.assert_allclose(k_reciprocal_rerank(query, gallery, lambda_=1.0).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("neighbours", ["all", "queries"])
def test_the_order_of_the_gallery_does_not_matter_without_ties(neighbours):
    query, gallery, *_ = clusters(3)
    order = np.random.default_rng(0).permutation(len(gallery))
    found = k_reciprocal_rerank(query, gallery, k1=7, neighbours=neighbours)
    shuffled = k_reciprocal_rerank(query, gallery[order], k1=7, neighbours=neighbours)
    np.testing.assert_allclose(shuffled.numpy(), found.numpy()[:, order], atol=1e-12)


def test_the_other_queries_matter():
    query, gallery, *_ = clusters(4)
    together = k_reciprocal_rerank(query, gallery, k1=5)
    assert not torch.allclose(k_reciprocal_rerank(query[:3], gallery, k1=5), together[:3], atol=1e-3)


def test_blocks_and_repeats_give_the_same():
    query, gallery, *_ = clusters(5, 30, 40)
    found = k_reciprocal_rerank(query, gallery)
    assert torch.equal(k_reciprocal_rerank(query, gallery), found)
    for entries in (1, 70 * 7, 70 * 64):
        torch.testing.assert_close(k_reciprocal_rerank(query, gallery, block_entries=entries), found, atol=1e-12, rtol=0)


def test_memory_is_bounded_by_the_block(monkeypatch):
    seen = []
    block = reranking._Distances.block

    def spy(self, start, stop):
        found = block(self, start, stop)
        seen.append(found.numel())
        return found

    monkeypatch.setattr(reranking._Distances, "block", spy)
    query, gallery, *_ = clusters(6, 30, 50)
    k_reciprocal_rerank(query, gallery, block_entries=800)
    assert max(seen) == 800 and len(seen) == 2 * 8


def test_inputs_are_left_alone_and_the_dtype_is_kept():
    query, gallery, *_ = (torch.tensor(rows) for rows in clusters(7))
    before = query.clone(), gallery.clone()
    doubles = k_reciprocal_rerank(query.requires_grad_(), gallery)
    assert torch.equal(query, before[0]) and torch.equal(gallery, before[1]) and not doubles.requires_grad
    singles = k_reciprocal_rerank(query.float(), gallery.float())
    assert singles.dtype == torch.float32
    torch.testing.assert_close(singles.double(), doubles, atol=1e-5, rtol=0)
    assert k_reciprocal_rerank(query.half(), gallery.half()).dtype == torch.float32


def test_it_helps_where_neighbours_say_more_than_distances():
    query, gallery, query_ids, gallery_ids = clusters(8, 150, 150, dim=6, people=8)
    plain = ((query[:, None] - gallery) ** 2).sum(2)
    before = rank_metrics(plain, query_ids, gallery_ids).map
    after = rank_metrics(k_reciprocal_rerank(query, gallery), query_ids, gallery_ids).map
    assert after > before + 0.02


def test_all_the_same_and_duplicates():
    same = torch.ones(7, 3)
    found = k_reciprocal_rerank(same[:3], same[3:], k1=2)
    np.testing.assert_allclose(found.numpy(), loop_oracle(same[:3].numpy(), same[3:].numpy(), k1=2), atol=1e-6)
    assert found.isfinite().all()


@pytest.mark.parametrize(("queries", "gallery"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_to_rank(queries, gallery):
    assert k_reciprocal_rerank(torch.ones(queries, 4), torch.ones(gallery, 4)).shape == (queries, gallery)


@pytest.mark.parametrize("where", ["query 2", "gallery image 1"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_descriptors_that_are_not_finite_are_named(where, value):
    rows = {"query": torch.ones(4, 3), "gallery": torch.ones(4, 3)}
    rows[where.split()[0]][int(where[-1]), 1] = value
    with pytest.raises(ValueError, match=where):
        k_reciprocal_rerank(rows["query"], rows["gallery"])


@pytest.mark.parametrize(("query", "gallery"), [(torch.ones(3, 2), torch.ones(3, 4)), (torch.ones(3), torch.ones(3))])
def test_shapes_that_do_not_fit(query, gallery):
    with pytest.raises(ValueError, match="queries, D"):
        k_reciprocal_rerank(query, gallery)


@pytest.mark.parametrize(
    "wrong",
    [
        {"k1": 0},
        {"k1": 2.5},
        {"k2": 0},
        {"k2": True},
        {"lambda_": -0.1},
        {"lambda_": 1.5},
        {"lambda_": float("nan")},
        {"neighbours": "both"},
    ],
)
def test_impossible_parameters(wrong):
    with pytest.raises(SettingError, match=r"re-ranking .* found"):
        ReRanking(**wrong)
    with pytest.raises(SettingError):
        k_reciprocal_rerank(torch.ones(2, 2), torch.ones(2, 2), **wrong)


def test_the_setting_describes_itself_and_normalises_for_cosine():
    setting = ReRanking(k1=7)
    assert setting.describe() == {"k1": 7, "k2": 6, "lambda": 0.3, "neighbours": "all"}
    query, gallery, *_ = (torch.tensor(rows) for rows in clusters(9))
    longer = query * torch.linspace(1, 9, len(query))[:, None]
    expected = k_reciprocal_rerank(torch.nn.functional.normalize(query), torch.nn.functional.normalize(gallery), k1=7)
    torch.testing.assert_close(setting.distance(longer, gallery, metric="cosine"), expected, atol=1e-9, rtol=0)
    assert torch.equal(setting.distance(query, gallery), k_reciprocal_rerank(query, gallery, k1=7))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="not run: no CUDA device")
@pytest.mark.parametrize("neighbours", ["all", "queries"])
def test_the_same_on_a_gpu(neighbours):
    query, gallery, *_ = (torch.tensor(rows) for rows in clusters(10, 200, 300))
    here = k_reciprocal_rerank(query, gallery, neighbours=neighbours)
    there = [k_reciprocal_rerank(query.to("cuda"), gallery.to("cuda"), neighbours=neighbours) for _ in range(3)]
    assert all(torch.equal(there[0], again) for again in there)
    torch.testing.assert_close(there[0].cpu(), here, atol=1e-10, rtol=0)

"""What all numbers of the analysis start from: checked descriptors, modalities as flags, neighbour lists."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from viz_world import small_features

from vireidkit.analysis.neighbours import as_array, as_matrix, check_table, is_infrared, nearest


def test_matrix_follows_the_metric() -> None:
    raw = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    assert np.allclose(as_matrix(raw), [[0.6, 0.8], [0, 1]])
    assert np.allclose(as_matrix(raw, "euclidean"), raw)
    assert np.allclose(np.linalg.norm(as_matrix(small_features()), axis=1), 1)
    features = small_features(metric="euclidean")
    assert np.allclose(as_matrix(features), features.matrix)


def test_matrix_leaves_its_input_alone_and_takes_half_precision() -> None:
    raw = torch.tensor([[3.0, 4.0]], dtype=torch.bfloat16, requires_grad=True)
    assert as_matrix(raw).dtype == np.float64
    assert raw.tolist() == [[3, 4]]
    assert as_array(torch.ones(2, dtype=torch.float16)).dtype == np.float32


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((0, 2)), np.array([[1.0, np.nan]]), np.array([[np.inf, 0]])])
def test_matrix_refuses_what_is_none(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected descriptors|finite"):
        as_matrix(bad)


def test_unknown_metric() -> None:
    with pytest.raises(ValueError, match="manhattan"):
        as_matrix(np.ones((2, 2)), "manhattan")


def test_modality_by_name_and_by_code() -> None:
    assert is_infrared(["visible", "infrared"], 2).tolist() == [False, True]
    assert is_infrared(torch.tensor([0, 1]), 2).tolist() == [False, True]
    with pytest.raises(ValueError, match="thermal"):
        is_infrared(["visible", "thermal"], 2)
    with pytest.raises(ValueError, match="2"):
        is_infrared([0, 2], 2)
    with pytest.raises(ValueError, match="3 images"):
        is_infrared([0, 1], 3)


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_nearest_equals_a_loop(chunk: int) -> None:
    points = np.random.default_rng(1).normal(size=(17, 4))
    found = nearest(points, 5, chunk=chunk)
    for row in range(17):
        distance = [((points[row] - points[other]) ** 2).sum() for other in range(17)]
        others = sorted((value, other) for other, value in enumerate(distance) if other != row)
        assert found[row].tolist() == [other for _, other in others[:5]]


def test_nearest_never_holds_the_image_itself_even_among_equals() -> None:
    found = nearest(np.zeros((6, 2)), 3)
    assert all(row not in found[row] for row in range(6))
    assert found[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("k", [0, 6])
def test_nearest_needs_a_possible_number(k: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 5"):
        nearest(np.zeros((6, 2)), k)


def test_table_is_checked() -> None:
    table = small_features().table
    with pytest.raises(ValueError, match="'camera'"):
        check_table(table.drop(columns="camera"), len(table), ("identity", "camera"))
    with pytest.raises(ValueError, match="39"):
        check_table(table[1:], len(table), ("identity",))

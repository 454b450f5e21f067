"""The rasteriser against one that goes pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from vireidkit.twilight.raster import Fragments, rasterise, vertex_normals

HEIGHT, WIDTH = 24, 32


def one_by_one(xy, depth, triangles, covers, height, width, two_sided) -> dict[int, tuple[int, np.ndarray, float]]:
    """pixel -> (triangle, weights, depth), by the definition."""
    nearest: dict[int, tuple[int, np.ndarray, float]] = {}
    for number, triangle in enumerate(triangles):
        a, b, c = xy[triangle]
        area = np.linalg.det(np.stack([b - a, c - a]))
        if area == 0 or (area > 0 and not two_sided[number]):
            continue
        solve = np.linalg.inv(np.stack([np.append(corner, 1) for corner in (a, b, c)], 1))
        for row in range(height):
            for column in range(width):
                weights = solve @ (column + 0.5, row + 0.5, 1)
                if min(weights) < 0 or min(weights @ covers[triangle]) <= 0:
                    continue
                near, pixel = float(weights @ depth[triangle]), row * width + column
                if pixel not in nearest or near > nearest[pixel][2]:
                    nearest[pixel] = (number, weights, near)
    return nearest


def soup(seed: int, count: int = 14) -> tuple[np.ndarray, ...]:
    """Random triangles, some beyond the edges; half of them two-sided; coverage fields of both signs."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform([-8, -8], [WIDTH + 8, HEIGHT + 8], (3 * count, 2)).astype(np.float32).astype(float)
    depth = rng.normal(size=3 * count).astype(np.float32).astype(float)
    triangles = rng.permutation(3 * count).reshape(count, 3)
    covers = rng.normal(0.6, 1, (3 * count, 3)).astype(np.float32).astype(float)
    return xy, depth, triangles, covers, rng.random(count) < 0.5


def draw(xy, depth, triangles, covers, two_sided) -> Fragments:
    return rasterise(xy, depth, triangles, covers, HEIGHT, WIDTH, two_sided)


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_a_loop_over_pixels(seed: int) -> None:
    xy, depth, triangles, covers, two_sided = soup(seed)
    found = draw(xy, depth, triangles, covers, two_sided)
    expected = one_by_one(xy, depth, triangles, covers, HEIGHT, WIDTH, two_sided)
    # float32 may decide otherwise on an edge: at most a pixel or two of some hundreds.
    assert len(set(found.pixel.tolist()) ^ set(expected)) <= 2
    same = [k for k, pixel in enumerate(found.pixel) if pixel in expected and expected[pixel][0] == found.triangle[k]]
    assert len(same) >= len(found) - 2 > 50
    assert np.allclose(found.weights[same], [expected[found.pixel[k]][1] for k in same], atol=1e-4)
    assert np.allclose(found.depth[same], [expected[found.pixel[k]][2] for k in same], atol=1e-4)


def test_weights_sum_to_one_and_pixels_ascend() -> None:
    found = draw(*soup(3))
    assert np.allclose(found.weights.sum(1), 1, atol=1e-6) and found.weights.min() >= -1e-4
    assert (np.diff(found.pixel) > 0).all()


def test_no_fragment_of_no_triangle_or_of_one_off_the_screen() -> None:
    xy, depth, triangles, covers, two_sided = soup(0)
    for nothing in (
        draw(xy, depth, triangles[:0], covers, two_sided[:0]),
        draw(xy + 1000.0, depth, triangles, covers, two_sided),
        draw(xy * [1, 0], depth, triangles, covers, two_sided),
        draw(xy, depth, triangles, covers - 99, two_sided),
    ):
        assert len(nothing) == 0 and nothing.weights.shape == (0, 3)
        assert nothing.interpolate(xy, triangles).shape == (0, 2)


def test_points_far_off_the_screen_overflow_nothing() -> None:
    xy = np.array([[-1e12, -1e12], [1e12, -1e12], [5.0, 1e12]])
    found = draw(xy[[0, 2, 1]], np.zeros(3), np.array([[0, 1, 2]]), np.ones((3, 1)), np.array([False]))
    assert len(found) <= HEIGHT * WIDTH


def test_backs_are_seen_only_where_two_sided() -> None:
    xy = np.array([[2.0, 2.0], [2.0, 20.0], [28.0, 2.0]])
    front, back = np.array([[0, 1, 2]]), np.array([[0, 2, 1]])
    rest = (np.ones((3, 1)), np.array([False]))
    assert len(draw(xy, np.zeros(3), front, *rest)) > 100
    assert len(draw(xy, np.zeros(3), back, *rest)) == 0
    assert len(draw(xy, np.zeros(3), back, rest[0], np.array([True]))) > 100


def test_the_nearer_triangle_wins_in_any_order() -> None:
    xy = np.array([[2.0, 2.0], [2.0, 20.0], [28.0, 2.0]] * 2)
    depth = np.array([1.0, 1, 1, 5, 5, 5])
    for triangles, near in (([[0, 1, 2], [3, 4, 5]], 1), ([[3, 4, 5], [0, 1, 2]], 0)):
        found = draw(xy, depth, np.array(triangles), np.ones((6, 1)), np.zeros(2, bool))
        assert (found.triangle == near).all() and (found.depth == 5).all()


def test_fields_are_joined_after_interpolation() -> None:
    """Two fields whose minimum at the vertices is negative everywhere, though both are positive in the middle."""
    xy = np.array([[0.0, 0.0], [0.0, 24.0], [32.0, 0.0]])
    covers = np.array([[-1.0, 2.0], [2.0, -1.0], [2.0, 2.0]])
    found = draw(xy, np.zeros(3), np.array([[0, 1, 2]]), covers, np.array([False]))
    fields = found.weights @ covers
    assert len(found) > 100 and (fields > 0).all()
    everywhere = draw(xy, np.zeros(3), np.array([[0, 1, 2]]), np.ones((3, 1)), np.array([False]))
    assert len(found) == ((everywhere.weights @ covers) > 1e-6).all(1).sum()


def test_a_closed_surface_has_no_cracks() -> None:
    grid = np.stack(np.meshgrid(np.linspace(-3, 35, 23), np.linspace(-3, 27, 19)), -1)
    grid[1:-1, 1:-1] += np.random.default_rng(0).uniform(-0.6, 0.6, grid[1:-1, 1:-1].shape)
    i, j = (k.ravel() for k in np.meshgrid(np.arange(18), np.arange(22), indexing="ij"))
    a = i * 23 + j
    triangles = np.concatenate([np.stack([a, a + 23, a + 1], 1), np.stack([a + 1, a + 23, a + 24], 1)])
    n = grid.shape[0] * grid.shape[1]
    found = draw(grid.reshape(-1, 2), np.zeros(n), triangles, np.ones((n, 1)), np.ones(len(triangles), bool))
    assert len(found) == HEIGHT * WIDTH


def test_interpolation_of_pixel_coordinates_gives_the_pixel_centre() -> None:
    xy, depth, triangles, covers, two_sided = soup(5)
    found = draw(xy, depth, triangles, covers, two_sided)
    centre = np.stack([found.pixel % WIDTH, found.pixel // WIDTH], 1) + 0.5
    assert np.allclose(found.interpolate(xy, triangles), centre, atol=1e-2)
    assert np.allclose(found.interpolate(depth, triangles), found.depth, atol=1e-4)


def test_shapes_that_do_not_belong_together_are_named() -> None:
    xy, depth, triangles, covers, two_sided = soup(1)
    with pytest.raises(ValueError, match=r"expected .*two_sided.*found"):
        draw(xy, depth, triangles, covers, two_sided[:-1])
    with pytest.raises(ValueError, match=r"covers \(\d+, K\)"):
        draw(xy, depth, triangles, covers[:-1], two_sided)


def test_vertex_normals_of_an_octahedron_point_outwards_and_turn_with_it() -> None:
    points = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1], [7, 7, 7]])
    triangles = np.array([[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]])
    normals = vertex_normals(points, triangles)
    assert np.allclose(normals[:6], points[:6], atol=1e-6) and (normals[6] == 0).all()
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    assert np.allclose(vertex_normals(points @ turn.T, triangles), normals @ turn.T, atol=1e-6)

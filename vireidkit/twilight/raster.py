"""From triangles on the picture plane to fragments: for every pixel, the nearest piece of surface that is really there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A pixel centre on the edge between two triangles must not be lost to both.
ROUNDING = np.float32(1e-5)


@dataclass(frozen=True, eq=False)
class Fragments:
    """What is seen, one row for each pixel that shows a surface, by ascending pixel.

    Attributes:
        triangle: (f,) row of the mesh's triangles.
        weights: (f, 3) float32 barycentric weights of its corners, rows sum to 1.
        pixel: (f,) row-major number, y * width + x.
        depth: (f,) float32, larger is nearer.
    """

    triangle: np.ndarray
    weights: np.ndarray
    pixel: np.ndarray
    depth: np.ndarray

    def __len__(self) -> int:
        return len(self.pixel)

    def interpolate(self, values: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """Values at the vertices, (n,) or (n, k), to values at the fragments, (f,) or (f, k)."""
        return _blend(self.weights, values, triangles[self.triangle])


def rasterise(
    xy: np.ndarray, depth: np.ndarray, triangles: np.ndarray, covers: np.ndarray, height: int, width: int, two_sided: np.ndarray
) -> Fragments:
    """The nearest covered fragment at each pixel.

    A pixel belongs to a triangle that holds its centre, at (column + .5, row + .5). A fragment is covered where all coverage fields
    are positive. The fields are interpolated one by one and joined here, not at the vertices, so that a hem stays a straight line
    where two of them meet. Triangles are seen from outside where they run clockwise on the picture, whose y points down.

    Args:
        xy: (n, 2) pixel coordinates.
        depth: (n,) larger is nearer.
        triangles: (m, 3).
        covers: (n, K) coverage fields.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        two_sided: (m,) True where the back of a triangle is seen too.

    Raises:
        ValueError: shapes that do not belong together.
    """
    _check_shapes(xy, depth, triangles, covers, two_sided)
    xy, depth, covers = (np.asarray(values, np.float32) for values in (xy, depth, covers))
    a, b, c = (xy[triangles[:, corner]] for corner in range(3))
    area = _cross(b - a, c - a)
    # Clipped while still a float: a point far off the screen may not fit an integer.
    low = np.clip(np.ceil(np.minimum(np.minimum(a, b), c) - 0.5), 0, [width, height]).astype(np.int32)
    high = np.clip(np.floor(np.maximum(np.maximum(a, b), c) - 0.5), -1, [width - 1, height - 1]).astype(np.int32)
    span = np.maximum(high - low + 1, 0)
    # y points down, so a counter-clockwise triangle of the body has a negative area here.
    seen = np.flatnonzero(((area < -1e-9) | (two_sided & (area > 1e-9))) & (span[:, 0] > 0) & (span[:, 1] > 0))
    row, pixel, weights = _inside(a[seen], b[seen], c[seen], area[seen], low[seen], span[seen], width)
    kept = np.flatnonzero(_covered(row, weights, triangles[seen], covers))
    triangle, pixel, weights = seen[row[kept]], pixel[kept], weights[kept]
    nearness = _blend(weights, depth, triangles[triangle])
    shown = _nearest(pixel, nearness, height * width)
    return Fragments(triangle[shown], weights[shown], pixel[shown], nearness[shown])


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(n, 3) unit normals, the mean of the triangles around a vertex by area; zero for a vertex of no triangle."""
    first = vertices[triangles[:, 0]]
    faces = np.cross(vertices[triangles[:, 1]] - first, vertices[triangles[:, 2]] - first)
    corner = triangles.ravel()
    normals = np.stack([np.bincount(corner, np.repeat(faces[:, axis], 3), len(vertices)) for axis in range(3)], 1)
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9)


def _check_shapes(xy: np.ndarray, depth: np.ndarray, triangles: np.ndarray, covers: np.ndarray, two_sided: np.ndarray) -> None:
    n, m = len(xy), len(triangles)
    expected = {"xy": (n, 2), "depth": (n,), "triangles": (m, 3), "two_sided": (m,)}
    found = {"xy": xy.shape, "depth": depth.shape, "triangles": triangles.shape, "two_sided": two_sided.shape}
    if found != expected or covers.ndim != 2 or len(covers) != n:
        raise ValueError(f"expected {expected} and covers ({n}, K); found {found} and covers {covers.shape}")


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _blend(weights: np.ndarray, values: np.ndarray, vertex: np.ndarray) -> np.ndarray:
    weights = weights if values.ndim == 1 else weights[..., None]
    return values[vertex[:, 0]] * weights[:, 0] + values[vertex[:, 1]] * weights[:, 1] + values[vertex[:, 2]] * weights[:, 2]


def _inside(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, area: np.ndarray, low: np.ndarray, span: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row of the triangle, pixel and weights of every pixel centre inside a triangle; the pixels of all boxes at once."""
    count = span[:, 0] * span[:, 1]
    box = np.repeat(np.arange(len(count)), count)
    within = (np.arange(len(box)) - np.repeat(np.cumsum(count) - count, count)).astype(np.int32)
    line, column = np.divmod(within, span[box, 0])
    column, line = column + low[box, 0], line + low[box, 1]
    # The weight of a corner is linear in the pixel, so its gradient is needed once a triangle only.
    slope_a, slope_b = (b - c)[:, ::-1] / area[:, None], (c - a)[:, ::-1] / area[:, None]
    x, y = column + np.float32(0.5) - c[box, 0], line + np.float32(0.5) - c[box, 1]
    w_a = x * slope_a[box, 0] - y * slope_a[box, 1]
    w_b = x * slope_b[box, 0] - y * slope_b[box, 1]
    w_c = 1 - w_a - w_b
    kept = np.flatnonzero(np.minimum(np.minimum(w_a, w_b), w_c) >= -ROUNDING)
    return box[kept], line[kept] * width + column[kept], np.stack([w_a[kept], w_b[kept], w_c[kept]], 1)


def _covered(row: np.ndarray, weights: np.ndarray, triangles: np.ndarray, covers: np.ndarray) -> np.ndarray:
    """(f,) bool: fragments where every field is positive; only triangles that a field's zero line may cross are looked at."""
    covered = np.ones(len(row), bool)
    for field in covers.T:
        a, b, c = (field[triangles[:, corner]] for corner in range(3))
        crossed = np.flatnonzero((np.minimum(np.minimum(a, b), c) <= 0)[row])
        covered[crossed] &= _blend(weights[crossed], field, triangles[row[crossed]]) > 0
    return covered


def _nearest(pixel: np.ndarray, nearness: np.ndarray, pixels: int) -> np.ndarray:
    """Rows of the nearest fragment of each pixel, by ascending pixel; of two equal ones the later."""
    order = np.argsort(nearness, kind="stable")
    last = np.full(pixels, -1)
    last[pixel[order]] = order
    return last[last >= 0]

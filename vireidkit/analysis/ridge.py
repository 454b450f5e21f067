"""Ridge regression in closed form: one decomposition of the images serves all targets and all strengths of the ridge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import FloatMatrix


class Ridge:
    """Linear rules from images X (n, D) to targets Y (n, T), both centred: ``B = (X'X + r s I)^-1 X'Y``, s the largest of ``squares``.

    Attributes:
        basis: (D, k) the directions in which the images vary; squares: (k,) squared singular values of the images along them.
    """

    def __init__(self, images: FloatMatrix, targets: FloatMatrix) -> None:
        rows, width = images.shape
        wide = width > rows
        # The smaller of the two products has the same squares.
        squares, vectors = np.linalg.eigh(images @ images.T if wide else images.T @ images)
        kept = squares > 1e-9 * max(squares[-1], 1e-30) if len(squares) else np.empty(0, bool)
        self.squares = squares[kept]  # (k,)
        self.basis = images.T @ vectors[:, kept] / np.sqrt(self.squares) if wide else vectors[:, kept]  # (D, k)
        self._moments = self.basis.T @ (images.T @ targets)  # (k, T)

    def along(self, images: FloatMatrix) -> FloatMatrix:
        """Centred images (m, D) along the basis, (m, k)."""
        return images @ self.basis

    def read(self, along: FloatMatrix, ridge: float | NDArray[np.float64]) -> FloatMatrix:
        """Readings (m, T) of images ``along`` the basis. ``ridge`` r: one for all targets or one each (T,), above 0."""
        strength = np.broadcast_to(ridge, self._moments.shape[1:]) * (self.squares.max() if len(self.squares) else 1.0)
        return along @ (self._moments / (self.squares[:, None] + strength))


def nearest_class(
    fitted: FloatMatrix, labels: NDArray[np.int64], classes: int, readings: FloatMatrix, weights: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Names the class of each reading (m, T): the nearest of the class means of ``fitted`` (n, T) by the spread inside the classes.

    This is linear discriminant analysis. All classes count the same, however frequent; one without any fitted row is never named.
    ``weights`` (n,) of the fitted rows; by default all are alike.
    """
    member = np.eye(classes)[labels] * (np.ones(len(fitted)) if weights is None else weights)[:, None]  # (n, K)
    counts = member.sum(axis=0)
    means = (member.T @ fitted) / np.where(counts > 0, counts, 1)[:, None]  # (K, T)
    inside = fitted - means[labels]
    covariance = (inside * member.sum(axis=1)[:, None]).T @ inside / max(counts.sum(), 1e-12)
    # Columns of choices add up to a constant, so one direction has no spread.
    covariance += (1e-6 * np.trace(covariance) / max(len(covariance), 1) + 1e-12) * np.eye(len(covariance))
    rotated = np.linalg.solve(covariance, means.T)  # (T, K)
    distance = (means.T * rotated).sum(axis=0) - 2 * readings @ rotated  # (m, K), up to what all classes share
    distance[:, counts == 0] = np.inf
    return distance.argmin(axis=1)

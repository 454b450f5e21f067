"""What the rest of the body looks like, as seen from each part."""

from __future__ import annotations

from torch import Tensor

from vireidkit.losses.inputs import at_least_float32


def one_versus_rest(parts: Tensor) -> Tensor:
    """For every part the mean of all other parts: r_i = (1 / (G - 1)) sum over j != i of l_j.

    With two parts each sees the other. Permuting parts permutes the result. Without rows it is empty, and gradients are finite.

    Args:
        parts: l (N, G, D), the features of G parts of each of N images, G at least 2.

    Returns:
        r (N, G, D), in float32 or float64.

    Raises:
        ValueError: another shape or dtype, or fewer than two parts.

    Source: after Park and Ham, AAAI 2020 (RRID), where a part is compared with the average of the others (lightos.md section 6,
    grade: reconstruction).
    """
    if parts.ndim != 3 or parts.shape[1] < 2 or not parts.is_floating_point():
        raise ValueError(f"expected parts (N, G, D) of a floating dtype with G at least 2; found {tuple(parts.shape)} {parts.dtype}")
    parts = at_least_float32(parts)
    return (parts.sum(dim=1, keepdim=True) - parts) / (parts.shape[1] - 1)

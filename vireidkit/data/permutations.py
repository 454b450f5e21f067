"""A look at the permutation file of SYSU-MM01, which only the sampler of its authors and multi-shot need.

    <root>/exp/rand_perm_cam.mat     variable rand_perm_cam, one cell a camera; in it one cell an identity: 10 x n, n its images there

Format: datasets.md 1.2. Grade: code.
"""

from __future__ import annotations

import numpy as np

from vireidkit.data.survey import Survey

FILE = "exp/rand_perm_cam.mat"
TRIALS = 10
SOURCE = "it is not in SYSU-MM01.zip but in github.com/wuancong/SYSU-MM01 under evaluation/data_split"


def survey_permutations(survey: Survey) -> None:
    """Set the file beside the folders: there, readable, and in every trial one number for every picture.

    A missing file is a note; a file that cannot be used is a problem.
    """
    if not (survey.root / FILE).exists():
        survey.notes.append(f"{FILE} is missing: {SOURCE}; only multi-shot and sampler=perm need it")
        return
    shapes = _shapes(survey)
    if shapes is None:
        return
    wrong = []
    for (camera, identity), images in survey.pictures().groupby(["camera", "identity"]).size().items():
        trials, listed = shapes.get((camera, identity), (TRIALS, 0))
        if (trials, listed) != (TRIALS, images):
            wrong.append(f"{trials} trials of {listed} images of identity {identity} in camera {camera}, the folder holds {images}")
    if wrong:
        more = f"; so do {len(wrong) - 1} other folders" if len(wrong) > 1 else ""
        survey.problems.append(f"{FILE} lists {wrong[0]}{more} (an incomplete copy, or the file of another data set)".replace("; ", ", "))


def _shapes(survey: Survey) -> dict[tuple[int, int], tuple[int, int]] | None:
    """(camera, identity) -> (trials, images) of every cell that is not empty; None where the file cannot be read."""
    from scipy.io import loadmat

    try:
        cameras = loadmat(survey.root / FILE)["rand_perm_cam"].ravel()
        cells = {(c, i): np.asarray(cell).shape for c, column in enumerate(cameras, 1) for i, cell in enumerate(column.ravel(), 1)}
        return {place: (shape[0], shape[1]) for place, shape in cells.items() if shape[0] * shape[1]}
    except PermissionError:
        survey.problems.append(f"{FILE} cannot be read: no permission")
    except Exception as error:  # damaged bytes end a reader of binary files in many ways; none may end the report
        survey.problems.append(f"{FILE} cannot be read as the authors' file ({type(error).__name__}), download it again")
    return None

"""DukeMTMC-reID: the same form as Market-1501 with other names; what differs is tested here."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from trees_images import DUKE_EXPECTED, DUKE_PEOPLE, make_duke_tree

from vireidkit.data import load_dataset
from vireidkit.data.dataset import Dataset
from vireidkit.data.market import DUKE, read_market_tree
from vireidkit.data.obtaining import guide
from vireidkit.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_duke_tree(tmp_path / "DukeMTMC-reID")


def read(root: Path, *, allow_partial: bool = False) -> Dataset:
    return read_market_tree(
        root, name="small", title="Small", expected=DUKE_EXPECTED, protocols=("duke",), credit="nobody", allow_partial=allow_partial
    )


def test_names_are_read(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read(root)
    assert dataset.notes == () and len(dataset.train) == 8 and dataset.validation.empty
    for row in dataset.train.itertuples():
        name = row.path.split("/")[1]  # 0005_c2_f0046985
        assert (row.identity, row.camera, row.frame) == (int(name[:4]), int(name[6]), int(name[9:16]))
    assert dataset.test["role"].value_counts().to_dict() == {"gallery": 12, "query": 2}


def test_distractors_stay_in_the_gallery(root: Path) -> None:
    test = read(root).test
    alone = set(test.loc[test["role"] == "gallery", "identity"]) - set(test.loc[test["role"] == "query", "identity"])
    assert alone == {900} == set(DUKE_PEOPLE["gallery"]) - set(DUKE_PEOPLE["query"])


def test_published_numbers(root: Path) -> None:
    """datasets.md 4.2: 702 people for training, 702 asked, 408 distractors."""
    assert DUKE.identities["gallery"] == DUKE.identities["query"] + 408 and DUKE.cameras == 8 and DUKE.junk == 0
    with pytest.raises(DatasetError, match="bounding_box_test: expected 1,110 identities / 17,661 images, found 3 / 12"):
        load_dataset("dukemtmc-reid", root)
    dataset = load_dataset("dukemtmc-reid", root.parent, allow_partial=True)
    assert dataset.root == root and dataset.protocols == ("duke",)
    assert "expected 2,228" not in dataset.notes[0] and "query: expected 702 identities / 2,228 images" in dataset.notes[1]


def test_that_it_was_withdrawn_is_said_everywhere(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"withdrew the data set in 2019.* a copy that you already have"):
        load_dataset("dukemtmc-reid")
    assert "withdrawn by Duke University in 2019" in load_dataset("dukemtmc-reid", root, allow_partial=True).credit
    assert "withdrew it in 2019" in guide("dukemtmc-reid").obtain and "withdrawn" in guide("dukemtmc-reid").what


def test_cameras_7_and_8_are_fine_and_9_is_not(root: Path) -> None:
    assert 8 in set(read(root).train["camera"])
    (root / "query/0005_c9_f0000001.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"query/0005_c9_f0000001.jpg is of camera 9, expected 1 to 8"):
        read(root)

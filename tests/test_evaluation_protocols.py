"""Who asks, who answers, what is removed: the protocols, and the published sampler on the published folder sizes."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from vireidkit.errors import DatasetError, SettingError
from vireidkit.evaluation import get_protocol, list_protocols, register_protocol
from vireidkit.evaluation.gallery import camera_rule, draw_one_each, folders, pick

BAND = {1: "visible", 2: "visible", 3: "infrared", 4: "visible", 5: "visible", 6: "infrared"}


@dataclass
class Fake:
    """A data set without pictures."""

    rows: pd.DataFrame
    name: str = "fake"
    root: Path | None = None

    def table(self, split: str) -> pd.DataFrame:
        return {"test": self.rows, "validation": self.rows.iloc[:0]}[split]


def made(sizes: dict[tuple[int, int], int], shuffle: int | None = None) -> Fake:
    """A data set with ``sizes[identity, camera]`` images, in path order or shuffled."""
    rows = [
        (f"cam{camera}/{identity:04d}/{number:04d}.jpg", identity, camera, BAND[camera])
        for (identity, camera), count in sorted(sizes.items(), key=lambda item: item[0][::-1])
        for number in range(1, count + 1)
    ]
    table = pd.DataFrame(rows, columns=["path", "identity", "camera", "modality"]).assign(tracklet=-1, frame=-1)
    if shuffle is not None:
        table = table.sample(frac=1, random_state=shuffle)
    return Fake(table.reset_index(drop=True))


REAL = {(6, 1): 42, (6, 2): 29, (6, 4): 20, (6, 5): 20, (10, 1): 34, (10, 2): 30, (6, 3): 4, (10, 6): 3}
FIRST_PICKS = [
    "cam1/0006/0025.jpg",
    "cam2/0006/0025.jpg",
    "cam4/0006/0014.jpg",
    "cam5/0006/0002.jpg",
    "cam1/0010/0017.jpg",
    "cam2/0010/0017.jpg",
]


@pytest.mark.parametrize("shuffle", [None, 1, 2])
def test_first_picks_of_trial_0_on_the_real_folder_sizes(shuffle):
    trial = next(get_protocol("sysu-all-single").trials(made(REAL, shuffle)))
    assert trial.gallery["path"].tolist() == FIRST_PICKS


def test_indoor_search_draws_another_stream():
    trial = next(get_protocol("sysu-indoor-single").trials(made(REAL)))
    assert trial.gallery["path"].tolist()[:2] == FIRST_PICKS[:2]
    assert trial.gallery["path"].tolist()[2:] != FIRST_PICKS[4:]
    assert set(trial.gallery["camera"]) == {1, 2}


def test_pick_is_what_choice_does():
    for seed in range(20):
        ours, python = random.Random(seed), random.Random(seed)
        for count in [1, 2, 3, 20, 31, 32, 33, 100]:
            assert pick(ours, count) == python.choice(range(count))


def test_sampler_follows_the_released_code():
    """Trial by trial: seed, then every identity in order, then cameras 1, 2, 4, 5, folders that do not exist skipped."""
    random_sizes = np.random.default_rng(0)
    sizes = {(i, c): int(random_sizes.integers(1, 40)) for i in (3, 17, 120, 7) for c in BAND if random_sizes.random() < 0.8}
    data = made({**sizes, (3, 3): 2, (3, 1): 5}, shuffle=3)
    for number, trial in enumerate(get_protocol("sysu-all-single", trials=4).trials(data)):
        theirs = random.Random(number)
        expected = []
        for identity in ["0003", "0007", "0017", "0120"]:
            for camera in (1, 2, 4, 5):
                files = sorted(data.rows.loc[data.rows["path"].str.startswith(f"cam{camera}/{identity}/"), "path"])
                if files:
                    expected.append(theirs.choice(files))
        assert trial.gallery["path"].tolist() == expected


def test_nothing_else_moves_the_stream():
    data = made(REAL)
    random.seed(5)
    state = random.getstate()
    first = [trial.gallery["path"].tolist() for trial in get_protocol("ir2vis").trials(data)]
    assert random.getstate() == state
    random.seed(99)
    assert [trial.gallery["path"].tolist() for trial in get_protocol("ir2vis").trials(data)] == first
    assert len(first) == 10 and len({tuple(paths) for paths in first}) > 5


def test_identities_are_ordered_as_padded_text():
    table = pd.DataFrame({"path": ["a", "b", "c"], "identity": [10000, 9999, 12], "camera": 1})
    assert [folder.identity for folder in folders(table)] == [12, 10000, 9999]


def test_camera_rule_asks_for_no_identity():
    data = made({(1, 1): 3, (1, 2): 3, (1, 3): 2, (2, 2): 4, (2, 3): 1, (2, 6): 2})
    trial = next(get_protocol("sysu-all-single").trials(data))
    query, gallery = trial.query["camera"].to_numpy(), trial.gallery["camera"].to_numpy()
    assert trial.excluded.shape == (5, 3)
    for q in range(len(query)):
        for g in range(len(gallery)):
            assert trial.excluded[q, g] == (query[q] == 3 and gallery[g] == 2)
    assert trial.excluded.sum() == 3 * 2


def test_camera_rule_with_several_pairs_and_none():
    assert camera_rule([1, 2], [1, 2], []).sum() == 0
    assert camera_rule([1, 2], [1, 2, 3], [(1, 2), (2, 3)]).tolist() == [[False, True, False], [False, False, True]]


def test_sysu_asks_with_all_infrared_images_in_table_order():
    data = made(REAL, shuffle=4)
    for name in ("sysu-all-single", "sysu-indoor-single"):
        query = next(get_protocol(name).trials(data)).query
        assert query.index.tolist() == data.rows.index[data.rows["camera"].isin([3, 6])].tolist()


def test_index_is_the_position_in_the_table():
    data = made(REAL, shuffle=5)
    for name in ("sysu-all-single", "ir2vis", "within-visible"):
        trial = next(get_protocol(name).trials(data))
        for rows in (trial.query, trial.gallery):
            assert data.rows.loc[rows.index, "path"].tolist() == rows["path"].tolist()


def test_cross_band_has_the_galleries_of_sysu_and_removes_nothing():
    data = made({**REAL, (10, 5): 7})
    ours, sysu = (list(get_protocol(name).trials(data)) for name in ("ir2vis", "sysu-all-single"))
    assert [one.gallery.index.tolist() for one in ours] == [one.gallery.index.tolist() for one in sysu]
    assert ours[0].excluded is None
    assert set(ours[0].query["modality"]) == {"infrared"}


def test_cross_band_in_the_other_direction():
    trial = next(get_protocol("cross-band", query="visible", gallery="infrared").trials(made(REAL)))
    assert set(trial.query["modality"]) == {"visible"}
    assert trial.gallery[["identity", "camera"]].to_numpy().tolist() == [[6, 3], [10, 6]]


def test_within_band_removes_the_own_camera_and_so_the_own_image():
    data = made({(i, c): 2 for i in (1, 2, 3) for c in (1, 4, 5, 6)})
    for trial in get_protocol("within-band", band="visible").trials(data):
        query, gallery = trial.query, trial.gallery
        assert set(query["modality"]) == set(gallery["modality"]) == {"visible"}
        assert (trial.excluded == (query["camera"].to_numpy()[:, None] == gallery["camera"].to_numpy()[None])).all()
        assert trial.excluded[query.index.to_numpy()[:, None] == gallery.index.to_numpy()[None]].all()


def test_within_band_on_a_single_camera():
    data = made({(1, 6): 3, (2, 6): 3})
    with pytest.raises(SettingError, match="only one infrared camera, 6; exclude='image'"):
        next(get_protocol("within-infrared").trials(data))
    trial = next(get_protocol("within-infrared", exclude="image").trials(data))
    own = trial.query.index.to_numpy()[:, None] == trial.gallery.index.to_numpy()[None]
    assert (trial.excluded == own).all() and own.sum() == 2


def test_short_names_and_keys():
    keys = {
        name: get_protocol(name).key
        for name in ("ir2vis", "vis2ir", "within-visible", "within-infrared", "sysu-all-single", "sysu-indoor-single")
    }
    assert all(name == key for name, key in keys.items())
    assert get_protocol("cross-band", query="infrared", gallery="visible").key == "ir2vis"
    assert get_protocol("within-band", band="infrared").key == "within-infrared"


def test_another_definition_has_another_key():
    keys = [get_protocol("ir2vis").key, get_protocol("ir2vis", ap="trapezoid").key, get_protocol("ir2vis", cmc="image").key]
    keys += [get_protocol("within-visible", exclude="image").key, get_protocol("sysu-all-single", sampler="perm").key]
    assert len(set(keys)) == 5


@pytest.mark.parametrize("name", ["ir2vis", "within-visible", "sysu-all-single", "sysu-indoor-single", "sysu-all-multi"])
def test_a_protocol_describes_itself(name):
    protocol = get_protocol(name)
    told = protocol.describe()
    assert set(told) >= {"key", "query", "gallery", "sampler", "exclusion", "cmc", "ap", "ties", "trials", "reranking"}
    assert json.loads(json.dumps(told)) == told
    line = str(protocol)
    assert "\n" not in line
    for word in (
        told["key"],
        told["sampler"],
        told["exclusion"],
        told["ties"],
        "plain AP",
        "distinct identities",
        "re-ranking: none",
        "trials: 10",
    ):
        assert word in line


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sysu-al-single", {}, "did you mean 'sysu-all-single'.*known: .*ir2vis"),
        ("ir2vis", {"shots": 10}, "no option 'shots'; known: trials"),
        ("cross-band", {"query": "infrared"}, "needs the option 'gallery'"),
        ("cross-band", {"query": "thermal", "gallery": "visible"}, "visible, infrared; found 'thermal'"),
        ("cross-band", {"query": "visible", "gallery": "visible"}, "within-band"),
        ("within-band", {"band": "x"}, "'band' takes one of"),
        ("within-visible", {"exclude": "room"}, "camera, image"),
        ("ir2vis", {"trials": 0}, "whole number from 1"),
        ("ir2vis", {"trials": True}, "whole number from 1"),
        ("ir2vis", {"ap": "area"}, "plain, trapezoid"),
        ("sysu-all-single", {"sampler": "dice"}, "seed, perm"),
        ("sysu-all-single", {"sampler": "perm", "trials": 11}, "from 1 to 10"),
        ("sysu-all-multi", {"sampler": "seed"}, "no published seeded sampler"),
        ("sysu-all-single", {"permutations": "x.mat"}, "belongs to sampler='perm'"),
    ],
)
def test_wrong_options_are_named(name, options, message):
    with pytest.raises(SettingError, match=message):
        get_protocol(name, **options)


@pytest.mark.parametrize(
    ("name", "sizes", "message"),
    [
        ("sysu-all-single", {(1, 1): 2}, "images of cameras 3 and 6; split 'test' of 'fake' has none"),
        ("sysu-indoor-single", {(1, 3): 2, (1, 4): 2}, "camera of 1, 2; split"),
        ("ir2vis", {(1, 1): 2}, "infrared query images"),
        ("vis2ir", {(1, 1): 2}, "infrared gallery images"),
    ],
)
def test_missing_images_are_named(name, sizes, message):
    with pytest.raises(SettingError, match=message):
        next(get_protocol(name).trials(made(sizes)))


def test_registry_takes_new_protocols_and_refuses_a_taken_name():
    @register_protocol("test-own")
    def own(*, size: int = 1) -> object:
        return ("made", size)

    assert get_protocol("test-own", size=3) == ("made", 3) and "test-own" in list_protocols()
    with pytest.raises(ValueError, match="taken"):

        @register_protocol("test-own")
        def other() -> object:
            return None


def permutation_file(path: Path, sizes: dict[tuple[int, int], int], seed: int = 0) -> dict[tuple[int, int], np.ndarray]:
    """A permutation file of the published form (6 cells of cells of 10 x n), and its content."""
    generator, cells, content = np.random.default_rng(seed), np.empty((6, 1), object), {}
    for camera in range(1, 7):
        inner = np.empty((20, 1), object)
        for identity in range(1, 21):
            count = sizes.get((identity, camera), 0)
            rows = np.array([generator.permutation(count) + 1 for _ in range(10)], dtype=np.uint8) if count else np.empty((0, 0), np.uint8)
            inner[identity - 1, 0] = content[identity, camera] = rows
        cells[camera - 1, 0] = inner
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"rand_perm_cam": cells})
    return content


class TestPermutationSampler:
    """The authors' sampler, on a file of the published form."""

    SIZES = {(i, c): 10 + i + c for i in (6, 10, 17) for c in BAND if (i, c) != (10, 4)}  # noqa: RUF012

    def test_takes_the_first_entries_camera_by_camera(self, tmp_path):
        content = permutation_file(tmp_path / "exp" / "rand_perm_cam.mat", self.SIZES)
        data = made(self.SIZES, shuffle=1)
        data.root = tmp_path
        for name, shots in (("sysu-all-single", 1), ("sysu-indoor-multi", 10)):
            cameras = (1, 2, 4, 5) if "all" in name else (1, 2)
            for number, trial in enumerate(get_protocol(name, sampler="perm").trials(data)):
                there = [(i, c) for c in cameras for i in (6, 10, 17) if (i, c) in self.SIZES]
                expected = [f"cam{c}/{i:04d}/{entry:04d}.jpg" for i, c in there for entry in content[i, c][number][:shots]]
                assert trial.gallery["path"].tolist() == expected
        assert trial.excluded.any()

    def test_missing_file_says_where_it_comes_from(self, tmp_path):
        data = made(self.SIZES)
        data.root = tmp_path
        with pytest.raises(DatasetError, match=r"rand_perm_cam.mat; it is not in SYSU-MM01.zip.*evaluation/data_split"):
            next(get_protocol("sysu-all-single", sampler="perm").trials(data))

    @pytest.mark.parametrize("content", [b"", b"no mat file at all, but long enough to be looked at " * 10])
    def test_broken_file(self, tmp_path, content):
        file = tmp_path / "p.mat"
        file.write_bytes(content)
        with pytest.raises(DatasetError, match=r"cannot be read: .*p\.mat"):
            next(get_protocol("sysu-all-single", sampler="perm", permutations=file).trials(made(self.SIZES)))

    def test_truncated_file(self, tmp_path):
        file = tmp_path / "p.mat"
        permutation_file(file, self.SIZES)
        file.write_bytes(file.read_bytes()[:3000])
        with pytest.raises(DatasetError, match=r"cannot be read: .*p\.mat"):
            next(get_protocol("sysu-all-single", sampler="perm", permutations=file).trials(made(self.SIZES)))

    def test_truncated_anywhere(self, tmp_path):
        permutation_file(tmp_path / "whole.mat", self.SIZES)
        whole, file = (tmp_path / "whole.mat").read_bytes(), tmp_path / "p.mat"
        for length in range(0, len(whole), max(1, len(whole) // 60)):
            file.write_bytes(whole[:length])
            with pytest.raises(DatasetError, match=r"permutation file .*p\.mat"):
                next(get_protocol("sysu-all-single", sampler="perm", permutations=file).trials(made(self.SIZES)))

    def test_other_variable(self, tmp_path):
        savemat(tmp_path / "p.mat", {"x": 1})
        with pytest.raises(DatasetError, match="lacks the variable"):
            next(get_protocol("sysu-all-single", sampler="perm", permutations=tmp_path / "p.mat").trials(made(self.SIZES)))

    def test_other_folder_sizes(self, tmp_path):
        permutation_file(tmp_path / "p.mat", self.SIZES)
        with pytest.raises(DatasetError, match="lists 17 images of identity 6 in camera 1, the folder holds 18"):
            next(get_protocol("sysu-all-single", sampler="perm", permutations=tmp_path / "p.mat").trials(made({**self.SIZES, (6, 1): 18})))

    def test_identity_that_is_not_listed(self, tmp_path):
        permutation_file(tmp_path / "p.mat", self.SIZES)
        with pytest.raises(DatasetError, match="no trial 0 of identity 400 in camera 1"):
            next(get_protocol("sysu-all-single", sampler="perm", permutations=tmp_path / "p.mat").trials(made({(400, 1): 2, (6, 3): 1})))


def test_drawing_from_no_folder_gives_no_rows():
    assert draw_one_each([], 0).shape == (0,)

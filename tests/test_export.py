"""An exported descriptor: the same numbers as the network's, by torch alone, for any number of pictures, without what serves training."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from test_end_to_end_trees import command
from torch.nn import functional as F

from vireidkit.errors import KitError, SettingError
from vireidkit.evaluation import extract_features
from vireidkit.experiment import train
from vireidkit.export import Describer, check_program, export_run, exported, pruned
from vireidkit.methods import build_method

SIZE = (32, 16)
SMALL = {"trunk": "resnet18", "width": 0.125}
METHODS = {
    "agw": SMALL,
    "agw with mirror images": {**SMALL, "augmentation": "caj"},
    "idkl": {**SMALL, "metric": "euclidean"},
    "lightos": {"width": 0.125, "split": 3},
    "mdpr": SMALL,
    "mdkt": SMALL,
    "smmd": SMALL,
}


class Store:
    """Five random pictures of one band."""

    def __init__(self, band: str) -> None:
        draw = torch.Generator().manual_seed(1)
        self.pictures = torch.randint(0, 256, (5, *SIZE, 3), dtype=torch.uint8, generator=draw)
        self.table = pd.DataFrame({"identity": range(5), "camera": 1, "modality": band, "path": [f"{i}.png" for i in range(5)]})

    def __len__(self) -> int:
        return 5

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        return self.pictures[rows]


def small(name: str) -> torch.nn.Module:
    """A method whose two modalities have different stages and whose norms have seen something."""
    method = build_method(name.partition(" ")[0], 4, **METHODS[name])
    method.origin = "trained"
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, value in method.state_dict().items():
            if key.endswith("running_mean") or (".infrared." in key and key.endswith("bias")):
                value.add_(0.1 * torch.randn(value.shape, generator=draw))
    return method


@pytest.mark.parametrize("name", METHODS)
def test_a_program_gives_what_extraction_gives(name):
    method = small(name)
    state, band = {key: value.clone() for key, value in method.state_dict().items()}, "infrared"
    store = Store(band)
    expected = extract_features(method, store).matrix
    program = exported(method, SIZE, band)
    found = program.module()(store.pictures)
    assert (found - expected).abs().max() <= 1e-4
    for rows in (1, 3):  # any number of pictures
        assert torch.allclose(program.module()(store.pictures[:rows]), expected[:rows], atol=1e-4, rtol=0)
    other = extract_features(method, Store("visible")).matrix  # the same pictures as the other band's
    assert (found - other).abs().max() > 1e-3 or method.settings.split == 0
    assert method.training and all(torch.equal(value, state[key]) for key, value in method.state_dict().items())


def test_nothing_of_training_is_in_it():
    method = small("lightos")
    program = exported(method, SIZE, "visible")
    held = {name.removeprefix("method.") for name in program.state_dict}
    assert not any(name.startswith(("shallow.", "classifier.", "part_classifiers.", "two_stream.infrared.")) for name in held)
    assert any(name.startswith("relation.") for name in held) and any(name.startswith("two_stream.visible.") for name in held)
    assert sum(value.numel() for value in program.state_dict.values()) < sum(value.numel() for value in method.state_dict().values())
    assert hasattr(pruned(build_method("lightos", 4, width=0.125).eval(), SIZE, 1).two_stream, "infrared")


def test_a_band_that_is_none_is_refused():
    with pytest.raises(SettingError, match="band must be one of visible, infrared; found 'thermal'"):
        exported(small("agw"), SIZE, "thermal")


def test_a_program_of_another_network_is_noticed():
    method = small("agw")
    program = exported(method, SIZE, "visible")
    assert check_program(program, method, SIZE, "visible") <= 1e-4
    with torch.no_grad():
        method.two_stream.shared.layer4[1].bn2.bias.add_(1.0)
    with pytest.raises(KitError, match=r"the exported visible program of 'agw' differs from the network by .*, above 0\.0001"):
        check_program(program, method, SIZE, "visible")


def test_the_network_beside_it_is_extraction_too():
    for name in ("agw with mirror images", "idkl"):
        method, store = small(name).eval(), Store("visible")
        with torch.no_grad():
            found = Describer(method, 0)(store.pictures)
        torch.testing.assert_close(found, extract_features(method, store).matrix)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    short = {"epochs": 1, "steps_per_epoch": 2, "limit_identities": 8, "identities": 4, "per_modality": 2, "validate_every": 0, **SMALL}
    return train("agw", "twilight", profile="smoke", out=tmp_path_factory.mktemp("export") / "run", overrides=short, quiet=True)


ALONE = """
import sys, numpy as np, torch
program = torch.export.load(sys.argv[1]).module()
np.save(sys.argv[3], program(torch.from_numpy(np.load(sys.argv[2]))).detach().numpy())
assert not any(name.partition('.')[0] == 'vireidkit' for name in sys.modules)
"""


def test_a_file_runs_in_a_process_that_has_never_heard_of_the_kit(run, tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "export", run.path, "--out", tmp_path / "out", "--band", "infrared") == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "out" / name) for name in ("infrared.pt2", "card.json")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["card.json", "infrared.pt2"]
    size, draw = run.image_size, np.random.default_rng(0)
    pictures = draw.integers(0, 256, (3, *size, 3), dtype=np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    arguments = [tmp_path / "out" / "infrared.pt2", tmp_path / "pictures.npy", tmp_path / "found.npy"]
    done = subprocess.run([sys.executable, "-c", ALONE, *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    with torch.no_grad():
        expected = Describer(run.method(), 1)(torch.from_numpy(pictures))
    found = torch.from_numpy(np.load(tmp_path / "found.npy"))
    assert (F.normalize(found, dim=1) - F.normalize(expected, dim=1)).abs().max() <= 1e-4
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    digest = hashlib.sha256((tmp_path / "out" / "infrared.pt2").read_bytes()).hexdigest()
    assert card["files"] == {"infrared": {"file": "infrared.pt2", "sha256": digest}}
    assert card["descriptor"] == {"parts": {"descriptor": [None, None]}, "metric": "cosine"} and str(size[0]) in card["pictures"]


def test_what_cannot_be_exported_leaves_no_file(run, tmp_path, monkeypatch):
    def differs(*arguments):
        raise KitError("differs")

    monkeypatch.setattr("vireidkit.export.check_program", differs)
    with pytest.raises(KitError, match="differs"):
        export_run(run.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()

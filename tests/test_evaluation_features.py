"""Features: what a method says of images, kept with the table they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from vireidkit.data import ImageStore, load_dataset, normalise
from vireidkit.errors import KitError, SettingError
from vireidkit.evaluation import Features, evaluate, extract_features, modality_codes, random_features, raw_pixel_features
from vireidkit.methods import Method


def table_of(count: int) -> pd.DataFrame:
    bands = ["visible" if row % 3 else "infrared" for row in range(count)]
    return pd.DataFrame({"path": [f"a/{row}.png" for row in range(count)], "identity": range(count), "camera": 1, "modality": bands})


class FakeStore:
    """Random images in the place of an ImageStore; remembers how it was asked."""

    def __init__(self, count: int = 10, size: tuple[int, int] = (8, 4)) -> None:
        self.table = table_of(count)
        self.pixels = torch.randint(0, 256, (count, *size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.table)

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(rows))
        return self.pixels[rows]


@dataclass(frozen=True)
class NoSettings:
    pass


class FakeMethod(Method):
    """A linear map with batch norm and dropout, which behave differently while training."""

    name = "fake"

    def __init__(self, size: tuple[int, int] = (8, 4), dim: int = 5) -> None:
        super().__init__(3, NoSettings())
        self.frozen = nn.BatchNorm1d(dim)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(size[0] * size[1] * 3, dim), nn.BatchNorm1d(dim), nn.Dropout(0.5))
        self.origin = "trained"
        self.seen: list[torch.Tensor] = []

    def embed(self, images: torch.Tensor, modality: torch.Tensor) -> torch.Tensor:
        self.seen.append(modality)
        return self.frozen(self.body(images)) * (1 + modality[:, None])


class TestExtract:
    """extract_features"""

    def test_is_the_method_in_evaluation_mode(self):
        store, method = FakeStore(), FakeMethod()
        found = extract_features(method, store, batch_size=4)
        assert store.asked == [4, 4, 2]
        method.eval()
        expected = method.embed(normalise(store.pixels), modality_codes(store.table))
        torch.testing.assert_close(found.matrix, expected.detach())
        assert found.matrix.dtype == torch.float32 and not found.matrix.requires_grad
        assert found.name == "fake" and found.metric == "cosine" and list(found.parts) == ["descriptor"]

    def test_tells_the_modality_of_every_row(self):
        store, method = FakeStore(7), FakeMethod()
        extract_features(method, store, batch_size=3)
        assert torch.cat(method.seen).tolist() == [1, 0, 0, 1, 0, 0, 1]

    def test_batch_size_changes_nothing(self):
        store, method = FakeStore(), FakeMethod()
        torch.testing.assert_close(extract_features(method, store, batch_size=1).matrix, extract_features(method, store).matrix)

    def test_puts_back_the_mode_of_every_module(self):
        method = FakeMethod().train()
        method.frozen.eval()
        extract_features(method, FakeStore())
        assert method.training and method.body[2].training and not method.frozen.training
        method.embed = lambda images, modality: 1 / 0  # type: ignore[method-assign]
        with pytest.raises(ZeroDivisionError):
            extract_features(method, FakeStore())
        assert method.training and not method.frozen.training

    def test_leaves_batch_statistics_and_the_generator_alone(self):
        method = FakeMethod().train()
        before = {name: value.clone() for name, value in method.state_dict().items()}
        state = torch.get_rng_state()
        extract_features(method, FakeStore())
        assert torch.equal(state, torch.get_rng_state())
        assert all(torch.equal(before[name], value) for name, value in method.state_dict().items())

    def test_ignores_mixed_precision_around_it(self):
        store, method = FakeStore(), FakeMethod()
        plain = extract_features(method, store).matrix
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(extract_features(method, store).matrix, plain)

    def test_flip_average_of_a_cosine_method(self):
        store, method = FakeStore(), FakeMethod()
        method.flip_average = True
        found = extract_features(method, store).matrix
        method.eval()
        codes, unit = modality_codes(store.table), nn.functional.normalize
        sides = [unit(method.embed(normalise(pixels), codes)) for pixels in (store.pixels, store.pixels.flip(2))]
        torch.testing.assert_close(found, unit(sides[0] + sides[1]).detach())
        torch.testing.assert_close(found.norm(dim=1), torch.ones(10))

    def test_flip_average_of_a_euclidean_method(self):
        store, method = FakeStore(), FakeMethod()
        method.flip_average, method.metric = True, "euclidean"
        found = extract_features(method, store)
        method.eval()
        sides = [method.embed(normalise(pixels), modality_codes(store.table)) for pixels in (store.pixels, store.pixels.flip(2))]
        torch.testing.assert_close(found.matrix, ((sides[0] + sides[1]) / 2).detach())
        assert found.metric == "euclidean"

    def test_refuses_an_untrained_network_unless_asked(self):
        method = FakeMethod()
        method.origin = "random"
        with pytest.raises(SettingError, match=r"'fake' has random weights.*allow_untrained=True"):
            extract_features(method, FakeStore())
        assert len(extract_features(method, FakeStore(), allow_untrained=True)) == 10

    def test_names_the_image_whose_descriptor_is_not_finite(self):
        method = FakeMethod()
        embed = method.embed
        method.embed = lambda images, modality: embed(images, modality).index_fill(0, torch.tensor([1]), torch.nan)  # type: ignore[method-assign]
        with pytest.raises(KitError, match=r"not finite for 2 of 10 images, first a/1\.png"):
            extract_features(method, FakeStore(), batch_size=5)

    def test_needs_images_and_a_batch(self):
        with pytest.raises(SettingError, match="no images"):
            extract_features(FakeMethod(), FakeStore(0))
        with pytest.raises(SettingError, match="at least 1"):
            extract_features(FakeMethod(), FakeStore(), batch_size=0)

    def test_refuses_an_unknown_modality(self):
        store = FakeStore()
        store.table.loc[3, "modality"] = "thermal"
        with pytest.raises(ValueError, match="'thermal'"):
            extract_features(FakeMethod(), store)

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="not run: no CUDA device")
    def test_on_an_accelerator_and_back(self):
        store, method = FakeStore(), FakeMethod()
        here = extract_features(method, store).matrix
        there = extract_features(method, store, device="cuda").matrix
        torch.testing.assert_close(here, there, atol=1e-4, rtol=1e-4)
        assert there.device.type == "cpu" and next(method.parameters()).device.type == "cpu"


class TestFeatures:
    """The Features object"""

    def test_cosine_distance(self):
        matrix = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
        found = Features(matrix, table_of(5)).distance([0, 4], [0, 1, 2, 3, 4])
        expected = torch.tensor([[0, 1, 2, 1 - 0.5**0.5, 1], [1, 1, 1, 1, 1]], dtype=torch.float64)
        torch.testing.assert_close(found, expected)

    def test_euclidean_distance(self):
        matrix = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        found = Features(matrix, table_of(6), "euclidean").distance(range(6), [5, 2])
        expected = torch.stack([(matrix[:, None] - matrix[None])[:, g].square().sum(1).sqrt() for g in (5, 2)], dim=1)
        torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-9)

    @pytest.mark.parametrize("index", [[2, 0], np.array([2, 0]), torch.tensor([2, 0]), pd.Index([2, 0]), pd.DataFrame(index=[2, 0]).index])
    def test_takes_positions_in_any_form(self, index):
        features = random_features(table_of(4))
        assert torch.equal(features.distance(index, [1]), features.distance([2, 0], [1]))

    def test_refuses_positions_outside(self):
        for index in ([4], [-1]):
            with pytest.raises(ValueError, match=r"0\.\.3"):
                random_features(table_of(4)).distance(index, [0])

    @pytest.mark.parametrize("matrix", [np.ones((4, 2), np.float16), torch.ones(4, 2, dtype=torch.bfloat16), np.ones((4, 2), np.int64)])
    def test_brings_other_numbers_to_float32(self, matrix):
        assert Features(matrix, table_of(4)).matrix.dtype == torch.float32

    def test_keeps_float64(self):
        assert Features(np.ones((4, 2)), table_of(4)).matrix.dtype == torch.float64

    def test_refuses_what_does_not_fit(self):
        with pytest.raises(ValueError, match=r"each of 4 images, found \(3, 2\)"):
            Features(torch.ones(3, 2), table_of(4))
        with pytest.raises(ValueError, match=r"found \(4,\)"):
            Features(torch.ones(4), table_of(4))
        with pytest.raises(ValueError, match="cosine, euclidean, found 'l1'"):
            Features(torch.ones(4, 2), table_of(4), "l1")

    def test_parts(self):
        features = Features(torch.arange(12.0).reshape(3, 4), table_of(3), parts={"head": slice(0, 1), "legs": slice(1, None)}, name="x")
        assert features.part("legs").matrix.tolist() == [[1, 2, 3], [5, 6, 7], [9, 10, 11]]
        with pytest.raises(SettingError, match="no part 'arms'; known: head, legs"):
            features.part("arms")

    def test_survives_a_file(self, tmp_path):
        parts = {"head": slice(0, 20), "rest": slice(20, None)}
        features = Features(random_features(table_of(5)).matrix, table_of(5), "euclidean", parts, "mine")
        features.save(tmp_path / "deep" / "mine")
        assert sorted(file.name for file in (tmp_path / "deep").iterdir()) == ["mine.csv", "mine.safetensors"]
        for path in (tmp_path / "deep" / "mine", str(tmp_path / "deep" / "mine.safetensors")):
            back = Features.load(path)
            assert torch.equal(back.matrix, features.matrix)
            assert (back.metric, back.parts, back.name) == ("euclidean", parts, "mine")
            pd.testing.assert_frame_equal(back.table, features.table)

    @pytest.mark.parametrize("lost", ["mine.csv", "mine.safetensors"])
    def test_missing_file(self, tmp_path, lost):
        random_features(table_of(3)).save(tmp_path / "mine")
        (tmp_path / lost).unlink()
        with pytest.raises(KitError, match=f"not found: .*{lost}"):
            Features.load(tmp_path / "mine")

    def test_truncated_file(self, tmp_path):
        random_features(table_of(3)).save(tmp_path / "mine")
        file = tmp_path / "mine.safetensors"
        file.write_bytes(file.read_bytes()[:200])
        with pytest.raises(KitError, match=r"cannot be read: .*mine\.safetensors"):
            Features.load(tmp_path / "mine")

    def test_table_of_another_save(self, tmp_path):
        random_features(table_of(3)).save(tmp_path / "mine")
        text = (tmp_path / "mine.csv").read_text()
        (tmp_path / "mine.csv").write_text(text.replace("a/1.png", "a/2.png"))
        with pytest.raises(KitError, match=r"another table than mine\.csv"):
            Features.load(tmp_path / "mine")

    def test_a_failed_save_leaves_nothing(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(KitError, match="cannot write"):
            random_features(table_of(3)).save(tmp_path / "file" / "mine")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]


class TestFloors:
    """Raw pixels and chance"""

    def test_raw_pixels_are_area_means_of_lightness(self):
        store = FakeStore(4, (8, 4))
        found = raw_pixel_features(store, size=(2, 2))
        pixels = store.pixels.double() / 255
        grey = 0.2989 * pixels[..., 0] + 0.5870 * pixels[..., 1] + 0.1140 * pixels[..., 2]
        expected = torch.stack([grey[:, r : r + 4, c : c + 2].mean((1, 2)) for r in (0, 4) for c in (0, 2)], dim=1)
        torch.testing.assert_close(found.matrix.double(), expected, atol=1e-6, rtol=0)
        assert found.metric == "euclidean"

    def test_raw_pixels_in_colour_and_in_several_batches(self):
        store = FakeStore(200, (8, 4))
        found = raw_pixel_features(store, size=(8, 4), grey=False)
        expected = store.pixels.float().permute(0, 3, 1, 2).flatten(1) / 255
        torch.testing.assert_close(found.matrix, expected)
        assert store.asked == [128, 72]

    def test_raw_pixels_need_images(self):
        with pytest.raises(SettingError, match="no images"):
            raw_pixel_features(FakeStore(0))

    def test_random_features_follow_their_seed(self):
        one, same, other = (random_features(table_of(9), 3, seed).matrix for seed in (0, 0, 1))
        assert torch.equal(one, same) and not torch.equal(one, other) and one.shape == (9, 3)


def test_the_real_path_on_twilight(tmp_path):
    """Folder -> Dataset -> ImageStore -> features -> protocol -> scores, with four identities."""
    data = load_dataset("twilight").limited(4)
    store = ImageStore(data, data.table("test"), (32, 16), cache=tmp_path, progress=False)
    floor = evaluate(raw_pixel_features(store, size=(8, 4)), data, "ir2vis")
    assert floor.trials["valid_queries"].eq((store.table["modality"] == "infrared").sum()).all()
    method = FakeMethod((32, 16))
    method.flip_average = True
    scores = evaluate(extract_features(method, store), data, "sysu-all-single")
    assert 0 <= scores.mean["map"] <= 1 and scores.mean["rank5"] == 1  # four identities: rank 5 is certain

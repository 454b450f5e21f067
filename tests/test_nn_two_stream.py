"""The two-stream split: every split, every order of rows, one modality alone, and which stages learn from which rows."""

from __future__ import annotations

import pytest
import torch

from vireidkit.errors import SettingError
from vireidkit.modality import INFRARED, VISIBLE
from vireidkit.nn import ResNet, TwoStream

NAMES = ["stem", "layer1", "layer2", "layer3", "layer4"]
SORTED = torch.tensor([VISIBLE, VISIBLE, VISIBLE, INFRARED, INFRARED])
MIXED = torch.tensor([INFRARED, VISIBLE, INFRARED, VISIBLE, VISIBLE])


def small() -> ResNet:
    return ResNet(18, width=0.125, non_local=True)


def two_stream(split: int, *, different: bool = True) -> TwoStream:
    """A float64 network in evaluation mode whose infrared copies have (if ``different``) other weights than the visible ones."""
    torch.random.default_generator.manual_seed(split)
    network = TwoStream(small, split=split).double().eval()
    if different:
        with torch.no_grad():
            for parameter in network.infrared.parameters():
                parameter.mul_(1.1).add_(0.01)
    return network


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(5, 3, 32, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def row_by_row(network: TwoStream, images: torch.Tensor, modality: torch.Tensor) -> torch.Tensor:
    """Each row on its own through its modality's stages and the shared ones."""
    maps = []
    for image, code in zip(images, modality.tolist(), strict=True):
        x = image[None]
        for stage in [*(network.infrared if code == INFRARED else network.visible).stages().values(), *network.shared.stages().values()]:
            x = stage(x)
        maps.append(x)
    return torch.cat(maps)


@pytest.mark.parametrize("split", range(6))
@pytest.mark.parametrize(
    "modality", [SORTED, MIXED, SORTED.flip(0), SORTED * 0, SORTED * 0 + 1], ids=["sorted", "mixed", "reversed", "v", "i"]
)
def test_every_row_goes_through_its_own_stages_and_comes_back_in_its_place(split, modality, images):
    network = two_stream(split)
    with torch.no_grad():
        expected = row_by_row(network, images, modality)
        torch.testing.assert_close(network(images, modality), expected)
        maps = network.stages_of(images, modality)
    assert list(maps) == NAMES
    torch.testing.assert_close(maps["layer4"], expected)
    assert {name: value.shape[1] for name, value in maps.items()} == network.stage_channels


def test_both_modalities_at_once_equal_one_after_the_other(images):
    network = two_stream(1)
    with torch.no_grad():
        both = network(images, SORTED)
        apart = torch.cat([network(images[:3], SORTED[:3]), network(images[3:], SORTED[3:])])
    torch.testing.assert_close(both, apart)


def test_split_0_does_not_know_modalities_and_a_split_does(images):
    with torch.no_grad():
        same = two_stream(0)
        torch.testing.assert_close(same(images, SORTED), same(images, SORTED * 0), rtol=0, atol=0)
        other = two_stream(1)
        assert not torch.allclose(other(images, SORTED * 0), other(images, SORTED * 0 + 1))


@pytest.mark.parametrize("split", [1, 3, 5])
def test_a_batch_of_one_modality_gives_the_other_no_gradient(split, images):
    network = two_stream(split).train()
    before = {name: value.clone() for name, value in network.infrared.state_dict().items()}
    network(images, torch.full((5,), VISIBLE)).square().sum().backward()
    assert all(parameter.grad is None for parameter in network.infrared.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.infrared.state_dict().items())
    assert all(parameter.grad is not None for parameter in [*network.visible.parameters(), *network.shared.parameters()])


def test_own_stages_learn_from_their_own_rows_only(images):
    network = two_stream(1)
    images.requires_grad_(True)
    network(images, MIXED)[MIXED == VISIBLE].sum().backward()
    assert all(parameter.grad.abs().sum() == 0 for parameter in network.infrared.parameters())
    assert (images.grad.flatten(1).abs().sum(1) > 0).tolist() == (MIXED == VISIBLE).tolist()


def test_both_copies_start_equal_and_are_not_the_same_tensors():
    network = two_stream(2, different=False)
    for (name, visible), infrared in zip(network.visible.named_parameters(), network.infrared.parameters(), strict=True):
        assert torch.equal(visible, infrared), name
        assert visible.data_ptr() != infrared.data_ptr()


def test_names_are_the_part_and_the_trunks_own():
    network = two_stream(2)
    own = {name for name in small().state_dict()}
    parts = {"visible": set(), "infrared": set(), "shared": set()}
    for key in network.state_dict():
        part, _, rest = key.partition(".")
        parts[part].add(rest)
    assert parts["visible"] == parts["infrared"] == {name for name in own if name.split(".")[0] in ("conv1", "bn1", "layer1")}
    assert parts["visible"] | parts["shared"] == own and not parts["visible"] & parts["shared"]


def seen_by(module: torch.nn.Module) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    return seen


def test_visible_first_costs_no_copy_of_the_images(images):
    network = two_stream(1)
    visible, infrared = seen_by(network.visible.conv1), seen_by(network.infrared.conv1)
    network(images, SORTED)
    assert visible[0].data_ptr() == images.data_ptr()
    assert infrared[0].data_ptr() == images[3:].data_ptr()


def test_one_modality_costs_no_copy_at_all(images):
    network = two_stream(1)
    own = []
    network.infrared.maxpool.register_forward_hook(lambda *call: own.append(call[2]))
    shared = seen_by(network.shared.layer1)
    network(images, SORTED * 0 + 1)
    assert shared[0].data_ptr() == own[0].data_ptr()


@pytest.mark.parametrize("split", [-1, 6])
def test_a_split_that_the_trunk_does_not_have(split):
    with pytest.raises(SettingError, match=rf"between 0 and 5 \(stem, layer1, .*\); found {split}"):
        TwoStream(small, split=split)


@pytest.mark.parametrize(
    ("modality", "message"),
    [
        (torch.tensor([0, 0, 0, 1, 2]), "codes 0 or 1; found .0, 1, 2."),
        (torch.tensor([0, 1]), r"found \(5, 3, 32, 16\) and \(2,\)"),
    ],
)
def test_wrong_modality(modality, message, images):
    network = two_stream(1)
    for call in (network.forward, network.stages_of):
        with pytest.raises(ValueError, match=message):
            call(images, modality)
    with pytest.raises(ValueError, match="B > 0"):
        network(images[:0], modality[:0])

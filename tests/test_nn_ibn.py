"""IBN-a norms, the released max-pool and ResNet-101 as parts of the ResNet trunks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vireidkit.errors import CheckpointError, SettingError
from vireidkit.nn import IBN, ResNet, build_trunk, load_trunks


def test_half_instance_half_batch_norm():
    norm = IBN(6).double()
    x = torch.randn(4, 6, 3, 5, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        norm.IN.weight.uniform_(0.5, 2)
        norm.IN.bias.normal_()
        norm.BN.bias.normal_()
    found = norm(x)
    for b in range(4):
        for c in range(3):
            own = (x[b, c] - x[b, c].mean()) / (x[b, c].var(correction=0) + 1e-5).sqrt()
            torch.testing.assert_close(found[b, c], own * norm.IN.weight[c] + norm.IN.bias[c])
    plain = nn.BatchNorm2d(3).double()
    plain.load_state_dict({name: torch.zeros_like(value) + (name == "running_var") for name, value in norm.BN.state_dict().items()})
    plain.weight.data, plain.bias.data = norm.BN.weight.data, norm.BN.bias.data
    torch.testing.assert_close(found[:, 3:], plain(x[:, 3:]))
    # Of an image's contrast the first half keeps nothing, at test either.
    torch.testing.assert_close(norm.eval()(x * 5 + 3)[:, :3], found[:, :3], rtol=1e-4, atol=1e-4)
    assert sum(p.numel() for p in IBN(64).parameters()) == 2 * 64 == sum(p.numel() for p in nn.BatchNorm2d(64).parameters())


def test_odd_channels_and_half_precision():
    norm = IBN(5)
    assert norm.half == 2 and norm.BN.num_features == 3
    x = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert norm(x.bfloat16()).dtype == torch.bfloat16
    torch.testing.assert_close(norm(x.bfloat16()).float(), norm(x), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(("depth", "blocks"), [(50, (3, 4, 6)), (101, (3, 4, 23))])
def test_where_the_norms_are(depth, blocks):
    with torch.device("meta"):
        trunk, plain = ResNet(depth, ibn=True), ResNet(depth)
    names = [name for name, module in trunk.named_modules() if isinstance(module, IBN)]
    assert names == [f"layer{stage}.{block}.bn1" for stage, number in enumerate(blocks, 1) for block in range(number)]
    count = [sum(p.numel() for p in own.parameters()) for own in (trunk, plain)]
    assert count[0] == count[1]
    if depth == 101:  # torchvision's, without "fc"
        assert count[1] == 44_549_160 - 2_049_000 and len(plain.state_dict()) == 626 - 2
    both = {name.replace(".IN.", ".").replace(".BN.", ".") for name in trunk.state_dict()}
    assert both == set(plain.state_dict())


def test_windows_of_the_released_pool_lie_one_pixel_further():
    usual, released = (ResNet(18, width=0.125, ceil_pool=ceil).maxpool for ceil in (False, True))
    x = torch.arange(8 * 8.0).view(1, 1, 8, 8)
    assert usual(x).shape == released(x).shape == (1, 1, 4, 4)
    assert released(x)[0, 0, 0, 0] == 18 and usual(x)[0, 0, 0, 0] == 9 and released(x)[0, 0, 3, 3] == usual(x)[0, 0, 3, 3] == 63
    assert released(torch.zeros(1, 1, 192, 96)).shape[2:] == (96, 48)


def test_weights_of_a_plain_network_and_of_an_ibn_one():
    plain, ibn = ResNet(18, width=0.125), ResNet(18, width=0.125, ibn=True)
    missing, unexpected = load_trunks(ibn, plain.state_dict(), what="plain")
    assert len([name for name in missing if not name.endswith("tracked")]) == 6 * 6 and len(unexpected) == 5 * 6
    assert torch.equal(ibn.layer3[1].conv2.weight, plain.layer3[1].conv2.weight)
    assert load_trunks(ResNet(18, width=0.125, ibn=True), ibn.state_dict(), what="ibn") == ((), ())
    with pytest.raises(CheckpointError, match="lacks"):
        load_trunks(plain, ibn.state_dict(), what="ibn")
    with pytest.raises(CheckpointError, match="lacks"):  # other parts are still needed
        load_trunks(ibn, {name: value for name, value in plain.state_dict().items() if "bn2" not in name}, what="torn")
    with pytest.raises(CheckpointError, match="belongs to another network"):
        load_trunks(ibn, {**plain.state_dict(), "layer4.7.conv1.weight": torch.zeros(1)}, what="deeper")


def test_osnet_has_neither():
    for option in ({"ibn": True}, {"ceil_pool": True}):
        with pytest.raises(SettingError, match="ibn and ceil_pool are options of a ResNet"):
            build_trunk("osnet", width=0.25, **option)
    assert isinstance(build_trunk("resnet18", width=0.125, ibn=True).layer1[0].bn1, IBN)

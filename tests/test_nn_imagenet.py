"""ImageNet files: both stems receive the stem, what is missing or left over is reported, and every way a file can be broken is named."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vireidkit.errors import CheckpointError, SettingError
from vireidkit.files import sha256_of
from vireidkit.nn import IMAGENET_ADDRESSES, ResNet, TwoStream, imagenet, load_imagenet, load_trunks, read_weights

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


def torchvision_shapes(depth: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's state dict, written down from its documentation and not from our trunk."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)} | norm("bn1", 64)
    inputs = 64
    for layer, count in enumerate(BLOCKS[depth], start=1):
        width = 32 * 2**layer
        outputs = width if depth == 18 else 4 * width
        for index in range(count):
            place = f"layer{layer}.{index}"
            kernels = (
                [(inputs, width, 3), (width, width, 3)] if depth == 18 else [(inputs, width, 1), (width, width, 3), (width, outputs, 1)]
            )
            for number, (incoming, outgoing, size) in enumerate(kernels, start=1):
                shapes[f"{place}.conv{number}.weight"] = (outgoing, incoming, size, size)
                shapes |= norm(f"{place}.bn{number}", outgoing)
            if index == 0 and inputs != outputs:
                shapes[f"{place}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                shapes |= norm(f"{place}.downsample.1", outputs)
            inputs = outputs
    return shapes | {"fc.weight": (1000, inputs), "fc.bias": (1000,)}


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")} | {
        f"{name}.num_batches_tracked": ()
    }


def published(depth: int) -> dict[str, Tensor]:
    """A state dict with torchvision's names and shapes; every tensor is one number of its own, so that files stay small."""
    return {
        name: torch.tensor(float(index)).expand(shape) if shape else torch.tensor(index)
        for index, (name, shape) in enumerate(torchvision_shapes(depth).items())
    }


def write(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


def network(depth: int = 18, split: int = 1, **options) -> TwoStream:
    return TwoStream(lambda: ResNet(depth, **({"non_local": True} | options)), split=split)


@pytest.mark.parametrize(("depth", "split"), [(18, 1), (18, 3), (50, 1)])
def test_every_stage_of_both_streams_is_filled(depth, split, tmp_path):
    state, net = published(depth), network(depth, split)
    path = write(tmp_path / "weights.pth", state)
    report = load_imagenet(net, depth, path)
    loaded = set()
    for key, value in net.state_dict().items():
        name = key.partition(".")[2]
        if "non_local" not in name:
            assert torch.equal(value, state[name].to(value.dtype)), key
            loaded.add(key)
    assert {"visible.conv1.weight", "infrared.conv1.weight", "visible.bn1.running_var", "infrared.bn1.running_var"} <= loaded
    assert report.unexpected == ("fc.bias", "fc.weight")
    assert set(report.missing) == net.state_dict().keys() - loaded
    assert {key.rsplit(".non_local")[0] for key in report.missing} == (
        {"shared.layer2.1", "shared.layer3.1"}
        if (depth, split) == (18, 1)
        else {"visible.layer2.1", "infrared.layer2.1", "shared.layer3.1"}
        if depth == 18
        else {"shared.layer2.2", "shared.layer2.3", "shared.layer3.3", "shared.layer3.4", "shared.layer3.5"}
    )
    assert report.source == path and report.sha256 == sha256_of(path)
    assert "2 unexpected (fc.bias, fc.weight)" in str(report) and "\n" not in str(report)


def test_a_plain_trunk_and_a_part_of_one_load_too(tmp_path):
    path = write(tmp_path / "weights.pth", published(18))
    assert load_imagenet(ResNet(18), 18, str(path)).missing == ()
    assert load_imagenet(nn.Sequential(ResNet(18).keep(["stem", "layer1"])), 18, path).missing == ()


def test_loaded_values_take_the_networks_dtype(tmp_path):
    net = network().double()
    load_imagenet(net, 18, write(tmp_path / "weights.pth", published(18)))
    assert net.shared.layer1[0].conv1.weight.dtype == torch.float64


def test_files_without_batch_counters_and_safetensors_load(tmp_path):
    state = {name: value.contiguous() for name, value in published(18).items() if name.startswith(("conv1", "bn1"))}
    del state["bn1.num_batches_tracked"]
    save_file(state, tmp_path / "weights.safetensors")
    stem = ResNet(18).keep(["stem"])
    assert load_imagenet(stem, 18, tmp_path / "weights.safetensors").missing == ("bn1.num_batches_tracked",)
    assert torch.equal(stem.conv1.weight, state["conv1.weight"])


def test_the_prefix_of_a_file_saved_from_several_gpus_is_taken_off(tmp_path):
    state = published(18)
    path = write(tmp_path / "weights.pth", {f"module.{name}": value for name, value in state.items()})
    assert read_weights(path).keys() == state.keys()
    mixed = write(tmp_path / "mixed.pth", {"module.conv1.weight": torch.zeros(1), "module": torch.zeros(1)})
    assert read_weights(mixed).keys() == {"module.conv1.weight", "module"}


@pytest.fixture(scope="module")
def net() -> TwoStream:
    """One network for all the tests in which loading fails; each checks that it was left alone."""
    return network()


def unchanged_after(net: TwoStream, call, error: type[Exception], message: str) -> None:
    """The call fails with one line that holds ``message``, and not one weight was copied."""
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_file_of_another_depth_or_width_is_refused_and_nothing_is_copied(tmp_path, net):
    path = write(tmp_path / "weights.pth", published(50))
    unchanged_after(net, lambda: load_imagenet(net, 18, path), CheckpointError, r"layer1.0.conv1.weight should be \(64, 64, 3, 3\), found")
    narrow = network(18, width=0.25)
    path = write(tmp_path / "weights.pth", published(18))
    unchanged_after(narrow, lambda: load_imagenet(narrow, 18, path), CheckpointError, r"conv1.weight should be \(16, .*width 1.0")


def test_a_deeper_network_of_equal_shapes_is_refused(net):
    state = published(18)
    deeper = state | {name.replace("layer3.1", "layer3.2"): value for name, value in state.items() if name.startswith("layer3.1")}
    unchanged_after(net, lambda: load_trunks(net, deeper, what="r34.pth"), CheckpointError, "r34.pth belongs to another.*layer3.2.bn1.bias")


def test_a_file_that_lacks_a_layer_is_refused(tmp_path, net):
    state = {name: value for name, value in published(18).items() if not name.startswith("layer4.")}
    unchanged_after(
        net, lambda: load_imagenet(net, 18, write(tmp_path / "w.pth", state)), CheckpointError, r"w.pth lacks 25 .*layer4.0.conv1"
    )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.7, 0.99])
def test_a_truncated_file_is_named(share, zipped, tmp_path, net):
    path = tmp_path / "cut.pth"
    torch.save(published(18), path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    unchanged_after(net, lambda: load_imagenet(net, 18, path), CheckpointError, f"truncated: {path}")


def test_a_truncated_safetensors_file_is_named(tmp_path):
    path = tmp_path / "cut.safetensors"
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=f"truncated: {path}"):
        read_weights(path)


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": {"conv1.weight": torch.zeros(1)}}, torch.zeros(3)])
def test_a_file_of_something_else_is_named(content, tmp_path):
    with pytest.raises(CheckpointError, match="should hold tensors by name"):
        read_weights(write(tmp_path / "other.pth", content))


def test_code_in_a_file_is_not_run(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weights(write(tmp_path / "model.pth", nn.Linear(1, 1)))


def test_a_missing_file_is_named(tmp_path, net):
    with pytest.raises(CheckpointError, match=f"not found: {tmp_path}/none.pth"):
        load_imagenet(net, 18, tmp_path / "none.pth")


def test_the_hash_in_a_files_name_is_checked(tmp_path, net):
    path = write(tmp_path / "weights.pth", published(18))
    right = path.rename(tmp_path / f"resnet18-{sha256_of(path)[:8]}.pth")
    assert read_weights(right).keys() == published(18).keys()
    wrong = right.rename(tmp_path / "resnet18-00000000.pth")
    unchanged_after(net, lambda: load_imagenet(net, 18, wrong), CheckpointError, "SHA-256 should begin with 00000000")


def test_a_network_without_a_trunk_is_the_callers_mistake():
    with pytest.raises(ValueError, match="with a Trunk inside; found Linear"):
        load_trunks(nn.Linear(1, 1), published(18), what="x")


# The download, from file:// addresses and from a port where nobody listens: no network is touched.


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """An empty hub folder of this test's own."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def serve(tmp_path: Path, monkeypatch, state: object, digits: str | None = None) -> str:
    """Publish a state dict under a name that promises its hash (or ``digits``); returns the name."""
    path = write(tmp_path / "weights.pth", state)
    name = f"resnet18-{digits or sha256_of(path)[:8]}.pth"
    monkeypatch.setitem(IMAGENET_ADDRESSES, 18, path.rename(tmp_path / name).as_uri())
    return name


def test_a_download_is_checked_kept_and_not_repeated(tmp_path, hub, monkeypatch):
    name = serve(tmp_path, monkeypatch, published(18))
    assert load_imagenet(network(), 18, "download").source == hub / name
    (tmp_path / name).unlink()
    assert imagenet.imagenet_file(18) == hub / name
    assert [path.name for path in hub.iterdir()] == [name]


def test_a_download_with_a_wrong_hash_leaves_no_file(tmp_path, hub, monkeypatch, net):
    serve(tmp_path, monkeypatch, published(18), digits="12345678")
    unchanged_after(net, lambda: load_imagenet(net, 18), CheckpointError, "resnet18-12345678.pth is damaged.*begin with 12345678")
    assert not list(hub.iterdir())


def test_a_damaged_file_in_the_hub_is_named(tmp_path, hub, monkeypatch, net):
    name = serve(tmp_path, monkeypatch, published(18))
    hub.mkdir(parents=True)
    (hub / name).write_bytes((tmp_path / name).read_bytes()[:-1])
    unchanged_after(net, lambda: load_imagenet(net, 18), CheckpointError, f"{name} is damaged")


def test_offline_says_what_to_do(hub, monkeypatch, net):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/resnet18-f37072fd.pth"
    monkeypatch.setitem(IMAGENET_ADDRESSES, 18, address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    advice = f"cannot download {address} .*fetch it .*pretrained=PATH/resnet18-f37072fd.pth or put it at {hub}"
    unchanged_after(net, lambda: load_imagenet(net, 18), CheckpointError, advice)


def test_an_unknown_depth_is_named(hub):
    with pytest.raises(SettingError, match="known for the depths 18, 50, 101; found 34"):
        imagenet.imagenet_file(34)


def test_the_addresses_are_torchvisions():
    assert IMAGENET_ADDRESSES == {
        18: "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        50: "https://download.pytorch.org/models/resnet50-0676ba61.pth",
        101: "https://download.pytorch.org/models/resnet101-63fe2227.pth",
    }

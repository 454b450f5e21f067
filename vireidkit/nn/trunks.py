"""Trunks by name: what the setting ``trunk`` of a method may say, and what their weight files are called."""

from __future__ import annotations

from vireidkit.errors import SettingError
from vireidkit.nn.osnet import OSNet
from vireidkit.nn.resnet import ResNet
from vireidkit.nn.trunk import Trunk

RESNET_DEPTHS = {"resnet18": 18, "resnet50": 50, "resnet101": 101}
TRUNKS = (*RESNET_DEPTHS, "osnet")


def build_trunk(
    name: str,
    *,
    width: float = 1.0,
    non_local: bool = False,
    non_local_width: int = 1,
    last_relu: bool = True,
    ibn: bool = False,
    ceil_pool: bool = False,
) -> Trunk:
    """A fresh trunk: "resnet18", "resnet50", "resnet101" or "osnet", with ``width`` times its usual channels.

    Args:
        non_local: insert AGW's non-local blocks, which only a ResNet has places for; non_local_width: their inner channels.
        last_relu: False leaves the ReLUs out of a ResNet's last block (see ``ResNet``).
        ibn, ceil_pool: IBN-a norms, and a max-pool without padding, of a ResNet (see there).

    Raises:
        SettingError: an unknown name, an impossible width, or in OSNet what only a ResNet has.
    """
    if name in RESNET_DEPTHS:
        options = {"non_local": non_local, "non_local_width": non_local_width, "last_relu": last_relu}
        return ResNet(RESNET_DEPTHS[name], width=width, **options, ibn=ibn, ceil_pool=ceil_pool)
    if name != "osnet":
        raise SettingError(f"trunk must be one of {', '.join(TRUNKS)}; found {name!r}")
    if non_local:
        raise SettingError("non-local blocks have no place in osnet; set non_local=False with trunk=osnet")
    if not last_relu:
        raise SettingError("a last block without ReLU is known for ResNets only, not for osnet")
    if ibn or ceil_pool:
        raise SettingError("ibn and ceil_pool are options of a ResNet; set both to False with trunk=osnet")
    return OSNet(width)


def trunk_name(trunk: str, width: float) -> str:
    """Name of a trunk of one width, as in ``resnet18-x0.25``: what its weight file is called."""
    return f"{trunk}-x{width:g}"

"""A trained descriptor as one file that torch runs without this kit: pictures in, descriptors out, nothing of training left."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn import functional as F

from vireidkit.cost import used_at_test
from vireidkit.data.augmentation import normalise
from vireidkit.errors import KitError, SettingError
from vireidkit.evaluation.distances import comparable
from vireidkit.files import sha256_of, write_json, written_aside
from vireidkit.methods import Method
from vireidkit.modality import MODALITIES
from vireidkit.training import open_run

TOLERANCE = 1e-4
CARD = "card.json"


class Describer(nn.Module):
    """uint8 pictures (B, H, W, 3) of one modality to descriptors (B, D), as ``extract_features`` gives them.

    Args:
        method: in evaluation mode. code: VISIBLE or INFRARED.
    """

    def __init__(self, method: Method, code: int) -> None:
        super().__init__()
        self.method = method
        self.code = code

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalise, embed and, where the method asks for it, average with the mirror images."""
        images = normalise(pictures)  # (B, 3, H, W)
        found = self.method.embed(images, self.code)
        if not self.method.flip_average:
            return found
        mirrored = self.method.embed(images.flip(-1), self.code)
        if self.method.metric == "cosine":
            return F.normalize(F.normalize(found, dim=1) + F.normalize(mirrored, dim=1), dim=1)
        return (found + mirrored) / 2


def exported(method: Method, size: tuple[int, int], band: str) -> ExportedProgram:
    """The descriptor of one modality as a program of ``torch.export``, for any number of pictures at a time.

    It holds the parameters that this modality's descriptor depends on and no others: no classifier, no other modality's stages.

    Args:
        method: any; it stays as it is. size: (height, width) of the pictures. band: "visible" or "infrared".

    Raises:
        SettingError: another band.
    """
    if band not in MODALITIES:
        raise SettingError(f"band must be one of {', '.join(MODALITIES)}; found {band!r}")
    own = pruned(copy.deepcopy(method).cpu().float().eval(), size, MODALITIES.index(band))
    pictures = torch.zeros(2, *size, 3, dtype=torch.uint8)
    with torch.no_grad():
        return torch.export.export(Describer(own, MODALITIES.index(band)), (pictures,), dynamic_shapes=({0: Dim("batch", min=1)},))


def pruned(method: Method, size: tuple[int, int], code: int) -> Method:
    """The method, changed in place, without the modules that hold parameters and serve this modality's descriptor with none."""
    used = used_at_test(method, size, codes=(code,))

    def prune(module: nn.Module, place: str) -> None:
        for name, child in list(module.named_children()):
            names = [f"{place}{name}.{inner}" for inner, _ in child.named_parameters()]
            if names and used.isdisjoint(names) and not isinstance(module, (nn.ModuleList, nn.Sequential)):  # theirs are counted
                delattr(module, name)
            else:
                prune(child, f"{place}{name}.")

    prune(method, "")
    return method


def export_run(run: str | Path, out: str | Path, *, checkpoint: str | None = None, bands: tuple[str, ...] = MODALITIES) -> list[Path]:
    """Write ``<band>.pt2`` of a run's descriptor for each band, and ``card.json``, which says how to use them.

    Every program is run on random pictures before it is written, beside the network that it came from. With torch alone:
    ``torch.export.load("infrared.pt2").module()(pictures)``, pictures uint8 (B, H, W, 3), red first.

    Args:
        checkpoint: "best", "latest" or "step-N"; None is best where there is one.

    Returns:
        The files that were written.

    Raises:
        CheckpointError: no run, or no such checkpoint.
        KitError: a program gives another descriptor than the network, or the folder cannot be written to.
    """
    run, out = open_run(run), Path(out)
    checkpoint = checkpoint or run.best_checkpoint()
    method, size = run.method(checkpoint), run.image_size
    card = {
        "method": method.name,
        "run": run.name,
        "checkpoint": checkpoint,
        "pictures": f"uint8 (B, {size[0]}, {size[1]}, 3), red first; normalisation is part of the program",
        "descriptor": {"parts": {name: [part.start, part.stop] for name, part in method.parts.items()}, "metric": method.metric},
        "torch": torch.__version__,
        "files": {},
    }
    programs = {band: _checked_bytes(method, size, band) for band in bands}  # all of them before anything is written
    for band, content in programs.items():
        path = out / f"{band}.pt2"
        with written_aside(path) as aside:
            aside.write_bytes(content)
        card["files"][band] = {"file": path.name, "sha256": sha256_of(path)}
    write_json(out / CARD, card)
    return [*(out / f"{band}.pt2" for band in programs), out / CARD]


def _checked_bytes(method: Method, size: tuple[int, int], band: str) -> bytes:
    """A program as the bytes of its file, once it is known to give the network's descriptors."""
    program = exported(method, size, band)
    check_program(program, method, size, band)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def check_program(program: ExportedProgram, method: Method, size: tuple[int, int], band: str) -> float:
    """The largest difference between program and network on three random pictures, in descriptors made comparable by the metric.

    Raises:
        KitError: it is above 1e-4.
    """
    pictures = torch.randint(0, 256, (3, *size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    network = Describer(copy.deepcopy(method).cpu().float().eval(), MODALITIES.index(band))
    with torch.no_grad():
        found, expected = (comparable(work(pictures), method.metric) for work in (program.module(), network))
    difference = (found - expected).abs().max().item()
    if not difference <= TOLERANCE:
        raise KitError(f"the exported {band} program of {method.name!r} differs from the network by {difference:.2g}, above {TOLERANCE}")
    return difference

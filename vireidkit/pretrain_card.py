"""What a pretraining leaves behind: a weight file, its history, its entry in the card ``weights.json``, and the README's table."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from vireidkit.errors import KitError
from vireidkit.files import sha256_of, write_json, write_text, written_aside
from vireidkit.nn import Trunk, read_card, trunk_name
from vireidkit.nn.weights import CARD
from vireidkit.training.history import History

TABLE_BEGINS, TABLE_ENDS = "<!-- table: written by vireidkit pretrain -->", "<!-- end of table -->"


def writable(out: Path) -> Path:
    """The output folder, made and tried: a quarter of an hour's work should not find out at its end.

    Raises:
        KitError: it cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise KitError(f"cannot write {out}: {error.strerror or error}") from error
    return out


def write_trunk(trunk: Trunk, kind: str, width: float, entry: Mapping[str, Any], history: History, out: Path) -> dict[str, Any]:
    """Write weights, history, card and the README's table, each whole or not at all; other trunks in the card stay.

    Args:
        kind, width: what ``trunk`` is, such as "osnet" and 0.25.
        entry: how it was made.

    Returns:
        The entry as the card holds it: the file, its SHA-256, its size and number of parameters, then ``entry``.
    """
    name = trunk_name(kind, width)
    file, card = out / f"{name}.safetensors", read_card(out)
    state = {key: value.detach().cpu().contiguous().clone() for key, value in trunk.state_dict().items()}
    with written_aside(file) as aside:
        save_file(state, aside)
    history.path = out / f"{name}.csv"
    history.flush()
    head = {"file": file.name, "sha256": sha256_of(file), "bytes": file.stat().st_size, "trunk": kind, "width": width}
    parameters = sum(parameter.numel() for parameter in trunk.parameters())
    card[name] = head | {"parameters": parameters} | dict(entry)
    write_json(out / CARD, {"format": 1, "trunks": dict(sorted(card.items()))})
    readme = out / "README.md"
    if readme.exists():
        write_text(readme, with_table(readme.read_text(encoding="utf-8"), card))
    return card[name]


def with_table(text: str, card: Mapping[str, Mapping[str, Any]]) -> str:
    """A README with the table between its two marks made anew from the card; a text without the marks stays as it is."""
    before, begins, rest = text.partition(TABLE_BEGINS)
    _, ends, after = rest.partition(TABLE_ENDS)
    if not (begins and ends):
        return text
    return f"{before}{TABLE_BEGINS}\n{markdown_table(card)}\n{TABLE_ENDS}{after}"


def markdown_table(card: Mapping[str, Mapping[str, Any]]) -> str:
    """What the card says, as a table with one row a trunk."""
    lines = [
        "| file | parameters | learnt from | seed | steps, time | held-out Rank-1 / mAP | untrained | raw pixels | sha256 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for _, entry in sorted(card.items()):
        people, score = entry["population"], entry["held_out"]
        columns = [
            f"`{entry['file']}`",
            f"{entry['parameters']:,}",
            f"{people['learnt']:,} people, {people['images']:,} pictures, population seed {people['seed']}",
            f"{entry['seed']}",
            f"{entry['steps']:,}, {entry['seconds'] / 60:.1f} min of CPU time, threads: {entry['threads']}",
            *(f"{100 * row['rank1']:.1f} / {100 * row['map']:.1f}" for row in (score, score["untrained"], score["raw_pixels"])),
            f"`{entry['sha256'][:12]}`",
        ]
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines)


def command_of(
    trunk: str, width: float, seed: int, root: Path, render: int | None, population_seed: int, overrides: Mapping[str, Any]
) -> str:
    """The command line that does the same again. Of an absolute folder only the name is told."""
    folder = root.name if root.is_absolute() else root
    rendering = f" --render {render} --population-seed {population_seed}" if render is not None else ""
    changed = "".join(f" --set {key}={value}" for key, value in overrides.items())
    return f"vireidkit pretrain {trunk} --width {width:g} --seed {seed} --data {folder}{rendering}{changed}"

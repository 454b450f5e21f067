"""The surfaces of Twilight: how dye, fabric and coupling make an NIR value, and tables that say what is wrong with them."""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np
import pytest

from vireidkit.twilight import materials, table
from vireidkit.twilight.materials import CHANNELS, Cloth, Material, colourants, colours, fabrics, kept_darkness, luminance
from vireidkit.twilight.people import Hair, Skin

TABLES = ("fabrics", "colourants", "colours", "skin", "hair", "tops", "bottoms", "accessories", "population")


def test_a_material_row_is_in_the_order_of_the_channels() -> None:
    material = Material(rgb=(0.1, 0.2, 0.3), nir=0.4, emissivity=0.5, insulation=0.6, sheen=0.7, wrinkle=0.8)
    named = dict(zip(CHANNELS, material.row(), strict=True))
    assert named == {"red": 0.1, "green": 0.2, "blue": 0.3, **{k: getattr(material, k) for k in CHANNELS[3:]}}
    assert material.lightness == pytest.approx(0.3 * 0.1 + 0.6 * 0.2 + 0.1 * 0.3)


@pytest.mark.parametrize("coupling", [0.0, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("colourant", colourants())
def test_nir_follows_the_formula_for_every_dye_and_coupling(colourant: str, coupling: float) -> None:
    """Oracle: fabric x spread x (1 - k darkness), darkness = (1 - min(1, luminance / .7))^1.2, k through 0, the table and .92."""
    cloth = Cloth("navy", "cotton", colourant, tint=(0.01, -0.01, 0.0), shade=1.1, spread=0.8)
    rgb = np.array([0.03, 0.045, 0.13]) * 1.1 + [0.01, -0.01, 0.0]
    rgb = np.maximum(rgb, 0.015)
    darkness = (1 - rgb @ [0.3, 0.6, 0.1] / 0.7) ** 1.2
    kept = np.interp(coupling, [0, 0.5, 1], [0, colourants()[colourant]["kept"], 0.92])
    spread = np.interp(coupling, [0.5, 1], [0.8, 1.0])
    found = cloth.material(coupling)
    assert found.rgb == pytest.approx(tuple(rgb))
    assert found.nir == pytest.approx(max(0.04, 0.72 * spread * (1 - kept * darkness)))


def test_black_dyed_organically_is_bright_in_nir_and_carbon_black_is_dark() -> None:
    organic, carbon = (Cloth("black", "cotton", dye).material() for dye in ("organic dye", "pigment/carbon black"))
    assert organic.rgb == carbon.rgb
    assert organic.nir > 0.5 and carbon.nir < 0.15


def test_at_coupling_zero_a_dye_says_nothing_and_at_one_the_dye_does_not_matter() -> None:
    at_zero = {round(Cloth(colour, "wool", dye).material(0).nir, 9) for colour in colours() for dye in colourants()}
    assert at_zero == {0.52}
    for colour in colours():
        values = {round(Cloth(colour, "wool", dye, spread=spread).material(1).nir, 9) for dye in colourants() for spread in (0.7, 1.1)}
        assert len(values) == 1


def test_warmth_multiplies_the_insulation_and_every_value_stays_possible() -> None:
    assert Cloth("red", "cotton", "organic dye", warmth=1.5).material().insulation == pytest.approx(0.45)
    for spread, warmth, shade in ((0.0, 0.0, 0.0), (50.0, 50.0, 50.0)):
        for fabric in fabrics():
            row = Cloth("white", fabric, "organic dye", shade=shade, spread=spread, warmth=warmth).material().row()
            assert (row[:6] > 0).all() and (row[:6] <= 0.95).all()


def test_leather_emits_as_its_source_says() -> None:
    assert 0.75 <= fabrics()["leather"]["emissivity"] <= 0.80


def test_dye_on_hair_is_seen_and_is_transparent_in_nir() -> None:
    plain, dyed = Hair("short", "grey", "grey", 4, 1, 1).material(), Hair("short", "black", "grey", 4, 1, 1).material()
    assert dyed.nir == plain.nir
    assert dyed.lightness < 0.1 * plain.lightness


def test_skin_tones_differ_much_less_in_nir_than_in_visible_light() -> None:
    light, dark = Skin(0, 1, 1).material(), Skin(5, 1, 1).material()
    assert light.lightness / dark.lightness > 5
    assert 1 < light.nir / dark.nir < 1.3


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"colour among black, charcoal.*'mauve'"):
        Cloth("mauve", "cotton", "organic dye").material()
    with pytest.raises(ValueError, match=r"fabric among cotton.*'silk'"):
        Cloth("red", "silk", "organic dye").material()
    with pytest.raises(ValueError, match=r"colourant among organic dye.*'henna'"):
        Cloth("red", "wool", "henna").material()
    with pytest.raises(ValueError, match=r"skin tone among 0, 1.*'9'"):
        Skin(9, 1, 1).material()
    for coupling in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="coupling from 0 to 1"):
            kept_darkness("organic dye", coupling)


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_every_table_names_its_source(name: str) -> None:
    rows = table.read_rows(files("vireidkit.twilight").joinpath("tables", f"{name}.csv"), [])
    assert all(row["source"] for row in rows)
    if name == "population":
        assert {row["source"] for row in rows} == {"invented"}


def test_albedos_and_emissivities_of_the_tables_are_shares() -> None:
    for rows in (fabrics(), colours(), materials.skins(), materials.hairs()):
        for row in rows.values():
            assert all(0 <= row[column] <= 1 for column in ("red", "green", "blue", "nir", "emissivity", "insulation") if column in row)


def test_tables_are_read_once_and_cannot_be_written() -> None:
    assert fabrics() is fabrics()
    with pytest.raises(TypeError):
        fabrics()["cotton"]["nir"] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fabric,emissivity,source\nwool,.9,assumed\n", "missing nir"),
        ("fabric,nir\nwool,.5\n", "missing source"),
        ("", "found none"),
        ("fabric,nir,source\n", "at least one line"),
        ("fabric,nir,source\nwool,.5\n", "line 2: expected 3 cells"),
        ("fabric,nir,source\nwool,.5,read in a book, page 3\n", "line 2: expected 3 cells"),
        ("fabric,nir,source\nsilk,.5,assumed\nwool, ,assumed\n", "line 3: expected a value in column 'nir'"),
        ("fabric,nir,source\nwool,.5,\n", "line 2: expected a value in column 'source'"),
    ],
)
def test_a_damaged_table_says_what_is_wrong(tmp_path, text: str, message: str) -> None:
    file = tmp_path / "fabrics.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        table.read_rows(file, ["fabric", "nir"])
    assert "fabrics.csv" in str(caught.value)


def test_keys_occur_once_and_numbers_are_numbers(tmp_path) -> None:
    file = tmp_path / "fabrics.csv"
    file.write_text("fabric,nir,source\nwool,.5,assumed\nwool,.6,assumed\n", encoding="utf-8")
    with pytest.raises(ValueError, match="'wool' twice"):
        table.keyed(table.read_rows(file, ["fabric", "nir"]), "fabric", file.name)
    for cell in ("dark", "nan", "inf", "0,5"):
        with pytest.raises(ValueError, match=r"fabrics.csv: expected a (finite )?number in column 'nir'; found"):
            table.as_number(cell, "nir", file.name)


def test_shares_add_up_to_one_and_need_a_group() -> None:
    rows = list(csv.DictReader(files("vireidkit.twilight").joinpath("tables", "population.csv").read_text(encoding="utf-8").splitlines()))
    for group in {row["group"] for row in rows}:
        for gender in ("f", "m"):
            assert sum(table.shares(group, gender).values()) == pytest.approx(1)
    with pytest.raises(ValueError, match="group 'umbrella'"):
        table.shares("umbrella", "f")


def test_luminance_is_that_of_the_contract() -> None:
    assert luminance((1, 0, 0)) == 0.3 and luminance((0, 1, 0)) == 0.6 and luminance((0, 0, 1)) == 0.1

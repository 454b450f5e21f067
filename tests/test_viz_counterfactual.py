"""Counterfactual sheets, their player, links between bands, dials, and probe bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vireidkit import viz
from vireidkit.analysis import changes_by_band
from vireidkit.viz.counterfactual import change_map, side_by_side
from vireidkit.viz.player import described
from vireidkit.viz.style import png_of

LEVELS = {"grey": 100, "light": 160, "dark": 40}


def draw(person: int, camera: int, band: str | None = None, *, shirt: str = "grey", dye: str = "ink", heading: int = 0) -> Image.Image:
    """A shirt in the middle of a dark picture: its colour is seen in visible light only, its dye in infrared only."""
    if shirt not in LEVELS:
        raise ValueError(f"no such shirt: {shirt}")
    picture = np.full((16, 8, 3), 10 * camera + person, np.uint8)
    level = LEVELS[shirt] if band == "visible" else {"ink": 90, "soot": 30}[dye]
    picture[4:8, 2:6] = level
    return Image.fromarray(picture)


class TestChanges:
    def test_bands_are_averaged_over_the_same_pixels(self) -> None:
        before, after = (
            {"visible": draw(1, 1, "visible", shirt=s), "infrared": draw(1, 1, "nir", dye=d)}
            for s, d in (("grey", "ink"), ("light", "ink"))
        )
        assert changes_by_band(before, after) == {"visible": 60.0, "infrared": 0.0}
        assert changes_by_band(before, before) == {"visible": 0.0, "infrared": 0.0}
        half = np.asarray(before["infrared"]).copy()
        half[8:12, 2:6] += 30  # elsewhere, just as large
        assert changes_by_band(before, {"visible": after["visible"], "infrared": half}) == {"visible": 30.0, "infrared": 15.0}

    def test_other_bands_or_sizes(self) -> None:
        with pytest.raises(ValueError, match="found visible and infrared"):
            changes_by_band({"visible": draw(1, 1)}, {"infrared": draw(1, 1)})
        with pytest.raises(ValueError, match="one size"):
            changes_by_band({"visible": draw(1, 1)}, {"visible": draw(1, 1).resize((4, 4))})

    def test_the_map_is_white_where_nothing_changes(self) -> None:
        drawn = change_map(draw(1, 1, "visible"), draw(1, 1, "visible", shirt="light"))
        assert (drawn[1:4, 1:-1] == 255).all() and (drawn[5, 3] < 255).all()
        stronger = change_map(draw(1, 1, "visible", shirt="dark"), draw(1, 1, "visible", shirt="light"))
        assert stronger[5, 3].sum() < drawn[5, 3].sum()

    def test_pictures_side_by_side_keep_one_width(self) -> None:
        picture = draw(1, 1)
        assert side_by_side(picture).shape == side_by_side(picture, picture).shape == (16, 19, 3)
        assert (side_by_side(picture)[:, 8:] == 255).all()


class TestCounterfactualSheet:
    def test_says_what_changed_in_which_band(self) -> None:
        changes = {"light shirt": {"shirt": "light"}, "soot": {"dye": "soot"}}
        fig = viz.counterfactual_sheet(draw, 1, 2, changes)
        assert fig.get_label().startswith("Light shirt: visible changes by 60 grey levels, near-infrared by 0.")
        texts = [text.get_text() for text in fig.axes[0].texts]
        assert [text for text in texts if "changed by" in text] == [f"changed by {n}" for n in (60, 0, 0, 60)]
        assert png_of(fig)

    def test_what_is_fixed_holds_in_every_picture(self) -> None:
        seen: list[dict[str, Any]] = []

        def noted(person: int, camera: int, band: str | None = None, **changes: Any) -> Image.Image:
            seen.append(changes)
            return draw(person, camera, band, **changes)

        viz.counterfactual_sheet(noted, 1, 2, {"dark": {"shirt": "dark"}}, heading=90, bands=("visible",))
        assert seen == [{"heading": 90}, {"heading": 90, "shirt": "dark"}]

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="needs a band"):
            viz.counterfactual_sheet(draw, 1, 2, {}, bands=())
        with pytest.raises(ValueError, match="no such shirt"):
            viz.counterfactual_sheet(draw, 1, 2, {"x": {"shirt": "tartan"}})


class TestPictureTable:
    def test_every_picture_has_its_place(self) -> None:
        rows = {"one": [draw(1, 1), draw(1, 2)], "a second label that is too long for one line": [draw(2, 1), draw(2, 2)]}
        fig = viz.picture_table(rows, ["camera 1", "camera 2"], title="Two people")
        assert len(fig.axes[0].images) == 4 and "rows: one, a second label" in fig.get_label()
        assert png_of(fig)

    def test_rows_must_fit_the_heads(self) -> None:
        with pytest.raises(ValueError, match="'one' needs one picture for each of 2 heads, found 1"):
            viz.picture_table({"one": [draw(1, 1)]}, ["a", "b"], title="")
        with pytest.raises(ValueError, match="found 0 rows"):
            viz.picture_table({}, ["a"], title="")


class TestPlayer:
    @pytest.fixture
    def player(self) -> viz.CounterfactualPlayer:
        choices = {"shirt": ("light", "dark", "tartan"), "heading": (0, 90)}
        return viz.CounterfactualPlayer(draw, [1, 2], [3, 6], choices, bands=("visible", "near-infrared"), labels={"shirt": "colour"})

    def test_it_starts_with_everything_as_drawn(self, player: viz.CounterfactualPlayer) -> None:
        assert player.state == {"person": 1, "camera": 3, "bands": ("visible", "near-infrared"), "changes": {}}
        assert 'src="data:image/png;base64,' in player.picture.value and "Person 1: as drawn." in player.text.value
        assert repr(player) == "CounterfactualPlayer(person 1, camera 3, as drawn)"
        assert player.factors["shirt"].description == "colour"

    def test_every_choice_draws_anew(self, player: viz.CounterfactualPlayer) -> None:
        before = player.picture.value
        player.factors["shirt"].value = "dark"
        assert player.state["changes"] == {"shirt": "dark"}
        assert player.picture.value != before and "changes by 60 grey levels" in player.picture.value
        player.factors["heading"].value = 90
        player.person.value, player.camera.value, player.band.value = 2, 6, "near-infrared"
        assert player.state == {"person": 2, "camera": 6, "bands": ("near-infrared",), "changes": {"shirt": "dark", "heading": 90}}
        assert "shirt dark, heading 90" in player.text.value
        player.factors["shirt"].value = player.factors["heading"].value = None
        assert player.state["changes"] == {}

    def test_the_state_can_be_followed_and_used(self, player: viz.CounterfactualPlayer) -> None:
        seen: list[Any] = []
        player.observe(lambda change: seen.append(change["new"]["person"]), "state")
        player.person.value = 2
        assert seen == [2]
        assert viz.player_sheet(draw, player.state).get_label() in player.picture.value.replace("&quot;", '"')

    def test_what_cannot_be_drawn_is_said(self, player: viz.CounterfactualPlayer) -> None:
        before = player.picture.value
        player.factors["shirt"].value = "tartan"
        assert "cannot be drawn: no such shirt" in player.text.value and player.picture.value == before
        player.factors["shirt"].value = "light"
        assert "cannot" not in player.text.value

    def test_nobody_to_draw(self) -> None:
        with pytest.raises(ValueError, match="found 0, 1 and 3"):
            viz.CounterfactualPlayer(draw, [], [1], {})

    def test_changes_in_words(self) -> None:
        assert described({"top_colour": "red", "heading_degrees": 90}) == "top colour red, heading degrees 90"
        assert described({}) == "as drawn"


class TestLinks:
    people = pd.DataFrame(
        {"hair_lightness": [0.1, 0.2, 0.3], "hair_nir": [0.1, 0.2, 0.3], "top_lightness": [0.1, 0.5, 0.3], "top_nir": [0.5, 0.1, 0.3]}
    )

    def test_correlations_are_told(self) -> None:
        fig = viz.lightness_links(self.people, ["hair", "top"])
        assert "most about the near-infrared value of hair (1.00), least of top (-1.00)" in fig.get_label()
        assert [axes.get_title("left") for axes in fig.axes] == ["hair: r = 1.00", "top: r = -1.00"]
        assert png_of(fig)

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="'skin_lightness'"):
            viz.lightness_links(self.people, ["skin"])
        with pytest.raises(ValueError, match="1 parts and 2 people"):
            viz.lightness_links(self.people[:2], ["hair"])


class TestDials:
    def test_the_title_speaks_of_what_moves_most(self) -> None:
        table = pd.DataFrame({"setting": [1, 0, 0, 1], "series": ["top", "top", "hair", "hair"], "value": [0.9, -0.1, 0.5, 0.5]})
        fig = viz.dial_curves(table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1), dial="coupling", measure="r", chance=0.0)
        marked = viz.dial_curves(table, dial="coupling", measure="r", data_set=0.7)
        assert [text.get_text() for text in marked.legends[0].get_texts()][-1] == "the data set (0.7)"
        assert fig.get_label().startswith("Top: from \N{MINUS SIGN}0.10 to 0.90 as coupling goes from 0 to 1")
        assert fig.axes[0].get_ylim()[0] < -0.1
        assert png_of(fig)

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="'value'"):
            viz.dial_curves(pd.DataFrame({"setting": [0], "series": ["a"]}), dial="d", measure="m")


def probes(features: str = "raw pixels", infrared: float = 0.05, across: float = -0.5) -> pd.DataFrame:
    """Two factors: colour, and one that could not be judged."""
    shares = {("visible", "visible"): 0.6, ("infrared", "infrared"): infrared, ("visible", "infrared"): across}
    rows = [
        (features, name, *bands, share * judged, share - 0.1, share + 0.1, 0.2, 0.25)
        for name, judged in (("top_colour", 1.0), ("hat", np.nan))
        for bands, share in shares.items()
    ]
    names = ["features", "factor", "fitted_on", "read_on", "share", "share_low", "share_high", "chance", "chance_high"]
    return pd.DataFrame(rows, columns=names)


class TestProbeBars:
    def test_the_title_names_what_is_lost(self) -> None:
        table = pd.concat([probes(), probes("a network", infrared=0.5)])
        fig = viz.probe_bars(table, bands=("visible", "near-infrared"), labels={"top_colour": "colour of the top"})
        assert fig.get_label().startswith("Raw pixels: colour of the top is read at 60 % in visible images, at 5 % in near-infrared ones")
        titles = [axes.get_title("left") for axes in fig.axes]
        assert [title for title in titles if title] == ["raw pixels", "a network"]
        assert "raw pixels, hat: unknown, unknown, unknown" in fig.get_label()
        assert png_of(fig)

    def test_bars_are_as_long_as_the_shares(self) -> None:
        axes = viz.probe_bars(probes()).axes[1]
        grey, bars = [bar.get_width() for bar in axes.patches][::2], [bar.get_width() for bar in axes.patches][1::2]
        assert bars == pytest.approx([60.0, 5.0]) and grey == pytest.approx([6.25, 6.25])  # (.25 - .2) / (1 - .2)

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="'features'"):
            viz.probe_bars(probes().drop(columns="features"))
        with pytest.raises(ValueError, match="found none"):
            viz.probe_bars(probes()[:0])

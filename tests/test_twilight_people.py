"""The people of Twilight: drawn from (seed, identity) alone, no shortcut between bands by construction, changed factor by factor."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest

from vireidkit.twilight import people
from vireidkit.twilight.factors import CHANGEABLE, CLOTHS, FIXED, changed, factors_of
from vireidkit.twilight.people import Person, draw_person

SEED = 77
NUMBER = 500


@cache
def population(look_alike_share: float = 0.5) -> tuple[Person, ...]:
    return tuple(draw_person(SEED, identity, look_alike_share=look_alike_share) for identity in range(NUMBER))


def link(surfaces: list) -> float:
    """Pearson correlation of visible luminance with the NIR value."""
    return float(np.corrcoef([s.lightness for s in surfaces], [s.nir for s in surfaces])[0, 1])


def plain(value: object) -> bool:
    """Whether everything in a person is a plain python value."""
    if hasattr(value, "__dataclass_fields__"):
        return all(plain(getattr(value, field.name)) for field in fields(value))
    return all(map(plain, value)) if isinstance(value, tuple) else type(value) in (str, int, float, bool)


def test_a_person_is_determined_by_seed_and_identity() -> None:
    first, again = draw_person(SEED, 3), draw_person(np.int64(SEED), np.int64(3))
    assert first == again and hash(first) == hash(again)
    assert len(set(population())) == NUMBER
    assert draw_person(SEED + 1, 3).body != first.body
    assert all(plain(person) for person in population()[:50])


def test_people_differ_in_every_group_of_factors() -> None:
    one, other = draw_person(SEED, 0, look_alike_share=0), draw_person(SEED, 1, look_alike_share=0)
    same = [field.name for field in fields(Person) if getattr(one, field.name) == getattr(other, field.name)]
    assert set(same) <= {"seed", "look_alike", "beard", "glasses"}


@pytest.mark.parametrize("group", ["gait", "skin", "hair", "top", "top sewing", "bottom sewing", "shoes", "bag", "hat", "scarf"])
def test_the_draws_of_one_group_leave_the_others(monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    """Another stream for one group, as if a draw had been added to it, changes that group and nothing else."""
    before = [draw_person(SEED, identity) for identity in range(30)]
    generator = people.generator
    monkeypatch.setattr(people, "generator", lambda seed, stream, *keys: generator(seed, stream + "!" * (stream == group), *keys))
    after = [draw_person(SEED, identity) for identity in range(30)]
    differing = {f.name for f in fields(Person) for b, a in zip(before, after, strict=True) if getattr(b, f.name) != getattr(a, f.name)}
    # a dress decides that there is no lower garment, nothing else reaches over
    assert {group.split()[0]} <= differing <= {group.split()[0]} | ({"bottom"} if group == "top" else set())


def test_hair_and_skin_lightness_do_not_determine_nir() -> None:
    assert 0.1 < link([person.hair.material() for person in population()]) < 0.75
    assert 0.1 < link([person.skin.material() for person in population()]) < 0.75


@pytest.mark.parametrize(("coupling", "low", "high"), [(0.0, -0.25, 0.25), (0.5, 0.35, 0.75), (1.0, 0.85, 1.0)])
def test_the_coupling_dial_turns_how_far_lightness_survives(coupling: float, low: float, high: float) -> None:
    assert low < link([person.top.cloth.material(coupling) for person in population()]) < high
    assert low < link([person.bottom.cloth.material(coupling) for person in population() if person.bottom.kind != "none"]) < high


def test_about_a_third_dye_their_hair_and_the_old_are_grey_below() -> None:
    dyed = np.mean([person.hair.colour != person.hair.natural for person in population()])
    assert 0.25 < dyed < 0.42
    old = [person for person in population() if person.body.old > people.GREY_FROM]
    assert old and all(person.hair.natural == "grey" for person in old)
    for person in population():
        bare = replace(person.hair, colour=person.hair.natural).material()
        assert person.hair.material().lightness <= people.DYE_LIGHTENS * bare.lightness + 1e-9


def test_the_cloth_of_a_pattern_can_be_told_in_both_bands() -> None:
    tops = [person.top for person in population()]
    assert all(top.second.colour != top.cloth.colour for top in tops)
    assert np.mean([abs(top.second.material().nir - top.cloth.material().nir) > 0.1 for top in tops]) > 0.85
    apart = [np.abs(np.sqrt(top.second.material().rgb) - np.sqrt(top.cloth.material().rgb)).max() for top in tops]
    assert np.mean(np.array(apart) > 0.15) > 0.9


def test_people_wear_what_goes_together() -> None:
    for person in population():
        top, bottom = person.top, person.bottom
        assert (top.kind == "dress") == (bottom.kind == "none")
        assert person.body.gender == "f" or (top.kind != "dress" and bottom.kind != "skirt" and person.hair.style != "bun")
        assert (person.body.gender_weight < 0) == (person.body.gender == "f")
        assert top.opening == 0 or top.kind in ("jacket", "coat", "vest", "down")
        assert (top.pattern == "quilt") <= (top.kind in ("down", "vest"))
        assert not (person.beard and person.body.gender == "f")
    assert min(Counter(person.top.kind for person in population()).values()) > 5


def test_look_alikes_share_the_outfit_and_differ_in_fabric_and_dye() -> None:
    groups: dict[int, list[Person]] = {}
    for person in population():
        if person.look_alike >= 0:
            groups.setdefault(person.look_alike, []).append(person)
    assert 0.42 < sum(map(len, groups.values())) / NUMBER < 0.58
    assert set(groups) <= set(range(people.TEMPLATES)) and len(groups) > 0.75 * people.TEMPLATES
    pairs = [(same[0], other) for same in groups.values() for other in same[1:]]

    def looks(person: Person) -> tuple:
        t, b = person.top, person.bottom
        return (
            t.kind,
            t.pattern,
            t.cloth.colour,
            t.second.colour,
            t.period,
            t.opening > 0,
            b.kind,
            b.cloth.colour,
            person.shoes.cloth.colour,
        )

    assert all(looks(one) == looks(other) and one.body.gender == other.body.gender for one, other in pairs)
    assert all(
        one.body != other.body and one.top.fit != other.top.fit and one.top.cloth.shade != other.top.cloth.shade for one, other in pairs
    )
    assert np.mean([abs(one.top.cloth.material().nir - other.top.cloth.material().nir) > 0.1 for one, other in pairs]) > 0.35
    assert len({person.hair for person, _ in pairs} | {other.hair for _, other in pairs}) > 200


def test_the_share_of_look_alikes_changes_the_outfit_only() -> None:
    none, some, everyone = population(0.0), population(), population(1.0)
    assert all(person.look_alike == -1 for person in none) and all(person.look_alike >= 0 for person in everyone)
    for alone, half, shared in zip(none, some, everyone, strict=True):
        assert half.look_alike in (-1, shared.look_alike)
        garments = {"look_alike", "top", "bottom", "shoes"}
        assert all(getattr(alone, f.name) == getattr(shared, f.name) for f in fields(Person) if f.name not in garments)


def test_impossible_populations_are_refused() -> None:
    for arguments in ({"look_alike_share": 1.5}, {"look_alike_share": -0.1}, {"templates": 1}):
        with pytest.raises(ValueError, match="look_alike_share from 0 to 1"):
            draw_person(SEED, 0, **arguments)
    with pytest.raises(ValueError, match="at least 0"):
        draw_person(SEED, -1)
    assert {draw_person(SEED, i, look_alike_share=1, templates=3).look_alike for i in range(60)} == {0, 1, 2}


def test_a_table_with_a_kind_that_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from vireidkit.twilight import wardrobe

    monkeypatch.setattr(wardrobe, "shares", lambda group, gender: {"poncho": 1.0})
    with pytest.raises(ValueError, match=r"group 'top': expected choices among tshirt.*found poncho"):
        wardrobe.design_top(np.random.default_rng(0), "f")


def test_factors_are_flat_plain_and_complete() -> None:
    rows = [factors_of(person) for person in population()[:100]]
    assert all(set(row) == set(rows[0]) for row in rows)
    assert all(type(value) in (str, int, float, bool) for row in rows for value in row.values())
    derived = set(rows[0]) - set(CHANGEABLE) - set(FIXED)
    assert set(CHANGEABLE) | set(FIXED) <= set(rows[0])
    assert all(name.endswith(("_nir", "_lightness", "_insulation")) for name in derived)
    assert all(len({row[name] for row in rows}) > 1 for name in rows[0] if name not in ("seed", "inner_fabric", "scarf_fabric"))


def test_factors_are_those_of_the_surfaces() -> None:
    person = draw_person(SEED, 5)
    for coupling in (0.2, 0.5):
        row = factors_of(person, coupling)
        second = person.top.second.material(coupling)
        assert (row["pattern_nir"], row["pattern_lightness"]) == (second.nir, second.lightness)
        assert row["hair_nir"] == person.hair.material().nir and row["skin_lightness"] == person.skin.material().lightness
    assert factors_of(person, 0)["top_nir"] > factors_of(person, 1)["top_nir"]
    with pytest.raises(ValueError, match="coupling"):
        factors_of(person, 2)


def differing(before: Person, after: Person) -> set[str]:
    old, new = factors_of(before), factors_of(after)
    return {name for name in old if old[name] != new[name]}


def test_a_changed_colour_changes_what_follows_from_it_and_nothing_else() -> None:
    person = next(person for person in population() if person.top.cloth.colour == "black")
    red = changed(person, top_colour="red")
    assert differing(person, red) == {"top_colour", "top_lightness", "top_nir"}
    assert replace(red, top=replace(red.top, cloth=replace(red.top.cloth, colour="black"))) == person
    assert person.top.cloth.colour == "black"


def test_a_dye_changes_the_visible_hair_and_the_natural_colour_the_nir_value() -> None:
    person = changed(draw_person(SEED, 1), hair_colour="brown", hair_natural="brown")
    assert differing(person, changed(person, hair_colour="black")) == {"hair_colour", "hair_lightness"}
    assert differing(person, changed(person, hair_natural="black")) == {"hair_natural", "hair_nir"}


def test_every_factor_can_be_set_to_what_it_was() -> None:
    for person in population()[:40]:
        row = factors_of(person)
        assert changed(person, **{name: row[name] for name in CHANGEABLE}) == person
        assert changed(person) == person


@pytest.mark.parametrize("name", [name for name, kind in CHANGEABLE.items() if isinstance(kind, tuple)])
def test_every_choice_can_be_set(name: str) -> None:
    person = changed(draw_person(SEED, 2), top="dress")
    for choice in CHANGEABLE[name]:
        extra = {"bottom": "jeans"} if name == "top" else {}
        assert factors_of(changed(person, **{name: choice}, **extra))[name] == choice


def test_a_new_kind_of_garment_brings_a_shape_that_it_can_have() -> None:
    person = changed(draw_person(SEED, 2), top="tshirt", bottom="jeans")
    coat = changed(person, top="coat")
    assert differing(person, coat) <= {"top", "sleeve", "fit", "hem"}
    assert coat.top.hem == -1.2 and coat.top.sleeve == 1.02
    assert changed(person, top="coat", hem=-3).top.hem == -3
    assert -4.2 <= changed(person, bottom="shorts").bottom.cuff <= -2.4
    assert changed(changed(person, gender="f"), gender="m").body.gender_weight > 0


def test_changes_take_numpy_values_and_keep_people_plain() -> None:
    person = draw_person(SEED, 2)
    values = {"height": np.float32(0.5), "skin_tone": np.int64(3), "beard": np.True_, "top_colour": np.str_("red"), "old": 1}
    after = changed(person, **values)
    assert plain(after) and after.skin.tone == 3 and after.beard is True and type(after.body.old) is float


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_nir": 0.5}, "set top_colour or top_fabric or top_colourant instead"),
        ({"top_lightness": 0.5}, "set top_colour instead"),
        ({"bag_insulation": 0.5}, "set bag_fabric instead"),
        ({"hair_nir": 0.5}, "set hair_natural instead"),
        ({"hair_lightness": 0.5}, "set hair_colour instead"),
        ({"skin_nir": 0.5}, "set skin_tone instead"),
        ({"top_color": "red"}, "such as top_colour"),
        ({"identity": 4}, "draw_person"),
        ({"top_colour": "mauve"}, "top_colour: expected one of black, charcoal.*found 'mauve'"),
        ({"bag_side": 0}, "expected one of -1, 1; found 0"),
        ({"bag_side": True}, "expected one of -1, 1; found True"),
        ({"beard": "yes"}, "expected True or False; found 'yes'"),
        ({"height": "tall"}, "expected a finite number; found 'tall'"),
        ({"height": float("nan")}, "expected a finite number"),
        ({"height": None}, "expected a finite number; found None"),
        ({"gender": "f", "gender_weight": 0.9}, "expected at most 0 for 'f'"),
        ({"top": "shirt", "bottom": "none"}, "only a dress goes with 'none'"),
    ],
)
def test_changes_that_cannot_be_say_why(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(draw_person(SEED, 2), **changes)


def test_every_cloth_has_its_factors() -> None:
    row = factors_of(draw_person(SEED, 2))
    for name in CLOTHS:
        assert {f"{name}_{part}" for part in ("colour", "fabric", "colourant", "lightness", "nir", "insulation")} <= set(row)

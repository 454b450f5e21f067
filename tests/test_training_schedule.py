"""Learning rates that change in every step: MDPR's tables, warm-up by share and by steps, and what older recipes keep."""

from __future__ import annotations

import math
from dataclasses import asdict, fields, replace

import pytest
import torch

from vireidkit.data.augmentation import Augmentation
from vireidkit.errors import SettingError
from vireidkit.methods import Recipe, get_recipe, list_recipes
from vireidkit.training import learning_rate
from vireidkit.training.run import run_record
from vireidkit.training.schedule import full_rate_epoch, set_learning_rate, warmup_length


def recipe(**changes) -> Recipe:
    return Recipe(source="", expects="", takes="", image_size=(8, 8), **changes)


MDPR = {"lr": 3.5e-4, "anneal": "cosine", "final_lr": 1e-7, "warmup_steps": 2000, "epochs": 60}
# mdpr.md section 5: steps an epoch, epochs that the warm-up reaches into, epochs that fall.
CASES = {"market, 64": (202, 10, 50), "duke, 64": (258, 8, 52), "market, 256": (50, 40, 20), "duke, 256": (64, 32, 28)}


@pytest.mark.parametrize("case", CASES)
def test_the_four_tables_of_the_specification(case):
    """Every step of the run, from the formulas of section 5."""
    each, warm, falling = CASES[case]
    own = recipe(**MDPR, steps_per_epoch=each)
    for epoch in range(60):
        for step in range(0, each, 7):
            i, e = epoch * each + step, epoch + 1
            if i < 2000:
                expected = 3.5e-4 * (0.1 + 0.9 * i / 2000)
            elif e <= warm:
                expected = 3.5e-4
            else:
                expected = 1e-7 + (3.5e-4 - 1e-7) * (1 + math.cos(math.pi * (e - warm) / falling)) / 2
            assert learning_rate(own, epoch, step, each) == pytest.approx(expected, rel=1e-12), (epoch, step)
    assert learning_rate(own, 0) == pytest.approx(3.5e-5) and learning_rate(own, 59) == pytest.approx(1e-7)
    assert full_rate_epoch(own, each) == warm


def test_a_share_does_not_depend_on_the_length_of_an_epoch():
    share = {**MDPR, "warmup_steps": 0, "warmup_share": 1 / 6}
    for each in (7, 202, 696):
        own = recipe(**share)
        assert warmup_length(own, each) == 10 * each and full_rate_epoch(own, each) == 10
        assert learning_rate(own, 9, each - 1, each) < 3.5e-4 == pytest.approx(learning_rate(own, 9, each - 1, each), rel=0.02)
        assert learning_rate(own, 59, 0, each) == pytest.approx(1e-7)
    rates = [learning_rate(recipe(**share), epoch, step, 12) for epoch in range(60) for step in range(12)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)


def test_warm_up_by_steps_goes_with_a_step_function_and_cosine_with_a_warm_up_of_epochs():
    own = recipe(lr=1.0, schedule=((0, 1.0), (3, 0.1)), warmup_steps=4, warmup_start=0.2, epochs=4, steps_per_epoch=3)
    found = [learning_rate(own, epoch, step) for epoch in range(4) for step in range(3)]
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 0.1, 0.1, 0.1])
    own = recipe(lr=1.0, anneal="cosine", warmup_epochs=2, epochs=4)
    assert [learning_rate(own, epoch) for epoch in range(4)] == pytest.approx([0.5, 1.0, 0.5, 0.0])
    plain = recipe(lr=1.0, anneal="cosine", epochs=2)
    assert [learning_rate(plain, epoch) for epoch in range(2)] == pytest.approx([0.5, 0.0])
    rising = recipe(lr=1.0, anneal="cosine", warmup_share=1.0, epochs=2)
    assert [learning_rate(rising, epoch, step, 2) for epoch in range(2) for step in range(2)] == pytest.approx([0.1, 0.325, 0.55, 0.775])
    assert full_rate_epoch(rising, 2) == 1


def test_groups_get_their_share_of_the_steps_rate():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [weights[0]], "lr_factor": 0.1}, {"params": [weights[1]], "lr_factor": 1.0}], lr=9.0)
    rate = set_learning_rate(optimizer, recipe(**MDPR), 4, 100, 202)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1 * rate, rate] and rate == learning_rate(recipe(**MDPR), 4, 100, 202)


def test_impossible_schedules_are_named():
    with pytest.raises(SettingError, match="warms up in one way, found warmup_epochs and warmup_share: set all but one to 0"):
        learning_rate(recipe(warmup_epochs=1, warmup_share=0.1), 0, 0, 5)
    with pytest.raises(SettingError, match=r"warmup_share is a share of all steps, 0 to 1; found 1\.5"):
        learning_rate(recipe(warmup_share=1.5), 0, 0, 5)
    with pytest.raises(ValueError, match="expected steps_per_epoch"):
        learning_rate(recipe(warmup_share=0.1), 0)


@pytest.mark.parametrize("method", ["agw", "smmd", "idkl"])
def test_older_recipes_learn_at_their_old_rates(method):
    for _, row in list_recipes().query("method == @method").iterrows():
        own = get_recipe(method, row["data set"], row["profile"])
        for epoch in range(own.epochs):
            factor = [value for first, value in own.schedule if epoch >= first][-1]
            expected = own.lr * (min(1.0, (epoch + 1) / own.warmup_epochs) if own.warmup_epochs else 1.0) * factor
            assert learning_rate(own, epoch) == expected == learning_rate(own, epoch, 3, 9)


def test_what_came_later_is_recorded_only_where_it_is_used():
    """So names and records of runs that were made before stay what they were."""
    plain = run_record(get_recipe("agw", "twilight", "compare"))["recipe"]
    later = {field.name for field in fields(Recipe) if field.metadata.get("later")}
    assert later >= {"anneal", "final_lr", "warmup_share", "warmup_steps", "warmup_start"} and not later & set(plain)
    assert "patch_probability" not in plain["augmentation"]
    words = {"source", "expects", "takes"}
    assert set(plain) == set(asdict(get_recipe("agw", "twilight", "compare"))) - later - words
    used = replace(get_recipe("agw", "twilight", "compare"), anneal="cosine", augmentation=Augmentation(patch_probability=0.3))
    changed = run_record(used)["recipe"]
    assert changed["anneal"] == "cosine" and "warmup_share" not in changed and changed["augmentation"]["patch_probability"] == 0.3

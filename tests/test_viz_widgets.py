"""The query browser without a browser: what its controls do, and that its static twin shows the same."""

from __future__ import annotations

import pytest
import traitlets
from viz_world import image_of, small_features, small_trial

from vireidkit import viz
from vireidkit.analysis import order_queries, query_table
from vireidkit.errors import SettingError


@pytest.fixture
def browser() -> viz.QueryBrowser:
    return viz.QueryBrowser(small_features(noise=0.8), small_trial(absent=13), image_of, k=3)


def test_it_starts_with_the_worst_query(browser: viz.QueryBrowser) -> None:
    worst = order_queries(browser.queries)[0]
    assert browser.selection == worst == browser.selected["query"]
    assert f"Query {worst}:" in browser.text.value
    assert repr(browser) == f"QueryBrowser(query {worst} of 20, failures first)"


def test_the_slider_moves_the_selection_and_the_picture(browser: viz.QueryBrowser) -> None:
    before = browser.picture.value
    browser.slider.value = 4
    assert browser.selection == order_queries(browser.queries)[4]
    assert f"Query {browser.selection}:" in browser.text.value
    assert browser.picture.value != before
    assert f"query {browser.selection} of person" in browser.picture.value


def test_another_order_starts_over(browser: viz.QueryBrowser) -> None:
    browser.slider.value = 7
    browser.order.value = "by camera"
    assert browser.slider.value == 0
    assert browser.selected["camera"] == 3
    assert browser.selection == order_queries(browser.queries, "by camera")[0]


def test_the_selection_can_be_set_and_followed(browser: viz.QueryBrowser) -> None:
    seen: list[int] = []
    browser.observe(lambda change: seen.append(change["new"]), "selection")
    browser.selection = 6
    assert order_queries(browser.queries)[browser.slider.value] == 6
    assert "Query 6:" in browser.text.value
    browser.slider.value = 0
    assert seen == [6, int(order_queries(browser.queries)[0])]
    with pytest.raises(traitlets.TraitError, match="between 0 and 19"):
        browser.selection = 20
    assert browser.selection == seen[-1]


def test_texts_name_the_rule_and_absent_people(browser: viz.QueryBrowser) -> None:
    for position, entry in browser.queries.iterrows():
        browser.selection = position
        rule = f"removed {entry['removed']} gallery" if entry["removed"] else "removed no gallery image"
        assert rule in browser.text.value
        assert ("holds no image of this person" in browser.text.value) == (entry["identity"] == 13)


def test_it_loads_nothing_and_describes_its_picture(browser: viz.QueryBrowser) -> None:
    assert 'src="data:image/png;base64,' in browser.picture.value
    assert 'alt="Infrared queries find' in browser.picture.value
    assert "http" not in browser.picture.value + browser.text.value


def test_static_twin_shows_the_first_places() -> None:
    features, trial = small_features(noise=0.8), small_trial()
    for order in ("failures first", "by camera"):
        expected = order_queries(query_table(features, trial), order)[:2]
        alt = viz.query_browser_static(features, trial, image_of, order=order, rows=2, k=3).get_label()
        assert all(f"query {position} of person" in alt for position in expected)


def test_wrong_orders_and_empty_trials() -> None:
    trial = small_trial()
    with pytest.raises(SettingError, match="luck"):
        viz.QueryBrowser(small_features(), trial, image_of, order="luck")
    with pytest.raises(ValueError, match="found none"):
        viz.QueryBrowser(small_features(), type(trial)(trial.query[:0], trial.gallery), image_of)

"""Figures about cost: time against counted work, accuracy against cost, and the committed measurements that they show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from vireidkit import measured, viz
from vireidkit.errors import KitError
from vireidkit.viz.costs import frontier, short_number
from vireidkit.viz.style import png_of

NAN = float("nan")


def points(axes: Axes) -> list[tuple[float, float]]:
    """The marks of a panel."""
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines if len(line.get_xdata()) == 1]


class TestMeasured:
    def test_the_committed_file_has_every_case_of_its_newest_run(self) -> None:
        table = measured.trunk_costs()
        assert table["run"].nunique() == 1
        assert set(table["trunk"]) == {"osnet-x1", "osnet-x0.75", "osnet-x0.5", "osnet-x0.25", "resnet50-x1", "resnet18-x0.25"}
        assert len(table) == table[["trunk", "mode", "size"]].drop_duplicates().shape[0] == 24
        assert table.loc[table["trunk"] == "osnet-x0.25", "parameters"].unique() == [134_792]

    def test_the_newest_run_is_taken(self, tmp_path) -> None:
        path, table = tmp_path / "cost.csv", measured.trunk_costs()
        older = table.assign(run="2001-01-01T00:00:00", ms_per_picture=1.0)
        pd.concat([table, older]).to_csv(path, index=False)
        pd.testing.assert_frame_equal(measured.trunk_costs(path), table)

    def test_mistakes(self, tmp_path) -> None:
        with pytest.raises(KitError, match="measured costs not found"):
            measured.trunk_costs(tmp_path / "none.csv")
        (tmp_path / "other.csv").write_text("trunk,mode\na,b\n")
        with pytest.raises(KitError, match=r"other.csv is no table of benchmarks/cost.py: no column 'size'"):
            measured.trunk_costs(tmp_path / "other.csv")
        measured.trunk_costs().iloc[:0].to_csv(tmp_path / "empty.csv", index=False)
        with pytest.raises(KitError, match="no row"):
            measured.trunk_costs(tmp_path / "empty.csv")


class TestTimeAgainstWork:
    def test_every_measurement_is_a_mark_and_the_worst_is_named(self) -> None:
        table = measured.trunk_costs()
        fig = viz.time_against_work(table)
        assert [axes.get_title(loc="left") for axes in fig.axes] == ["pictures of 128x64", "pictures of 288x144"]
        for axes, size in zip(fig.axes, ("128x64", "288x144"), strict=True):
            own = table[table["size"] == size]
            expected = sorted(zip(own["multiply_adds_over_resnet50"], own["time_over_resnet50"], strict=True))
            assert np.allclose(sorted(points(axes)), expected)
        assert fig.get_label().startswith("With 2 % of ResNet-50's multiply-adds osnet-x0.25 takes ")

    def test_beside_the_study_trunk(self) -> None:
        fig = viz.time_against_work(measured.trunk_costs(), over="study", about="the study trunk")
        assert "59 % of the study trunk's multiply-adds" in fig.get_label()

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="needs a column 'multiply_adds_over_other'"):
            viz.time_against_work(measured.trunk_costs(), over="other")
        with pytest.raises(ValueError, match="found none"):
            viz.time_against_work(measured.trunk_costs().iloc[:0])


class TestAccuracyAgainstCost:
    table = pd.DataFrame(
        {
            "name": ["large", "small", "wasteful"],
            "value": [0.34, 0.30, 0.28],
            "low": [0.33, 0.29, NAN],
            "high": [0.35, 0.31, NAN],
            "parameters_test": [700_000, 200_000, 1_600_000],
            "multiply_adds": [35e6, 21e6, 64e6],
            "latency_ms": [10.0, 28.0, 30.0],
        }
    )

    def test_every_method_stands_in_every_panel_and_all_share_one_axis_of_accuracy(self) -> None:
        fig = viz.accuracy_against_cost(self.table)
        assert len(fig.axes) == 3 and len({axes.get_ylim() for axes in fig.axes}) == 1
        for axes, column in zip(fig.axes, ("parameters_test", "multiply_adds", "latency_ms"), strict=True):
            assert axes.get_xscale() == "log"
            assert points(axes) == [
                (float(x), pytest.approx(100 * y)) for x, y in zip(self.table[column], self.table["value"], strict=True)
            ]
        label = fig.get_label()
        assert "Large reaches the highest mAP, 34.0 %; small has 29 % of its parameters at test and is 4.0 points below" in label
        assert "small: mAP 30.0 % (29.0 % to 31.0 %), 200 k parameters at test, 21 M multiply-adds" in label
        assert "wasteful: mAP 28.0 %, 1.6 M" in label
        assert png_of(fig)

    def test_no_two_methods_look_alike(self) -> None:
        row = {"low": NAN, "high": NAN, "parameters_test": 1e6, "multiply_adds": 1e6, "latency_ms": 1.0}
        table = pd.DataFrame([{"name": f"method {number}", "value": 0.1 + number / 100, **row} for number in range(20)])
        handles = viz.accuracy_against_cost(table).legends[0].legend_handles
        assert len({(handle.get_marker(), handle.get_color()) for handle in handles}) == len(handles) == 20

    def test_the_cheapest_may_be_the_best(self) -> None:
        fig = viz.accuracy_against_cost(self.table.iloc[[1, 2]], costs={"latency_ms": "milliseconds"}, note="on a train")
        assert "with the fewest milliseconds as well" in fig.get_label() and "on a train" in " ".join(fig.get_supxlabel().split())

    def test_the_frontier_leaves_out_who_is_beaten_in_both(self) -> None:
        assert frontier([3, 1, 2, 4], [0.3, 0.2, 0.1, 0.4]) == [1, 0, 3]
        assert frontier([1, 1, 2], [0.2, 0.3, 0.3]) == [1]
        assert frontier([5.0], [0.0]) == [0]

    def test_numbers_on_an_axis(self) -> None:
        assert [short_number(x) for x in (0.5, 950, 134_792, 20_686_464, 4.1e9)] == ["0.5", "950", "135 k", "20.7 M", "4.1 G"]

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="a name of its own and costs above 0"):
            viz.accuracy_against_cost(self.table.assign(latency_ms=0.0))
        with pytest.raises(ValueError, match="a name of its own"):
            viz.accuracy_against_cost(self.table.assign(name="one"))
        with pytest.raises(ValueError, match="needs a column 'low'"):
            viz.accuracy_against_cost(self.table.drop(columns="low"))
        with pytest.raises(ValueError, match="a method and a cost"):
            viz.accuracy_against_cost(self.table.iloc[:0])

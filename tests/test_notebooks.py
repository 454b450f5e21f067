"""Every notebook runs at the smoke profile in a process of its own, and leaves what the index needs."""

import json
import re
from pathlib import Path

import pytest
from trees import make_manifest, make_regdb_tree, make_tree
from trees_video import make_mars

from vireidkit.experiment import load_or_train
from vireidkit.pages import write_page
from vireidkit.reproduce import NotebookRun, outputs_with, read_notebook, run_notebook

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
NAMES = [path.stem for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))]
# What each notebook must leave: named figures, and numbers with the range that they lie in whatever the network has learnt.
LEAVES = {
    "00_start_here": ({"first-look", "raw-pixel-ranks"}, {"raw_pixel_rank1", "chance_rank1"}),
    "01_two_modalities": (
        {"three-bands", "counterfactuals", "player", "coupling", "hardness", "floor", "probes"},
        {"link_skin", "change_red_near_infrared", "hardness_0_4", "probe_top_nir_visible_to_infrared", "chance_rank1"},
    ),
    "02_train_a_baseline": (
        {"batch", "training-curves", "triplet-ablation"},
        {"ir2vis_rank1_chance", "ir2vis_rank1_raw_pixels", "ir2vis_rank1_agw", "ir2vis_map"},
    ),
    "03_evaluate": (set(), set()),
    "04_see_the_gap": (
        {"gap-measures", "gap-states", "gap-by-camera-pair", "gap-in-the-plane", "two-seeds", "gap-by-person", "gap-by-layer"},
        {"mixing_before", "probe_after", "cka_after", "mixing_no_gap"},
    ),
    "05_inspect_retrieval": (
        {"similarity", "attractors", "hubs", "failure-groups", "camera-pairs", "retrieval-browser"}
        | {"corruptions", "families-vis2ir", "every-corruption"},
        {"found_first", "maps_of_random_weights", "corrupted_noise"},
    ),
    "06_smmd": (
        {"spread-of-the-baseline", "smmd-idea", "prototype-circle", "smmd-terms", "smmd-ramp", "smmd-ablation", "spread-ablation"}
        | {"within-ablation", "spread-before-after", "smmd-gap", "smmd-in-the-plane", "broken-on-purpose"},
        {"inside_share_baseline", "train_seconds", "ir2vis_rank1_agw", "ir2vis_rank1_smmd", "means_change", "mixing_smmd"},
    ),
    "07_idkl": (
        {"who-finds-what", "idea", "terms", "training", "ablation", "gap", "before-and-after", "plus-or-minus"},
        {"ir2vis_rank1_specific", "probe_shared", "probe_specific", "only_specific", "joined_ir2vis"}
        | {"agw_minus_idkl_ir2vis_map", "centroid_ratio", "weight_plus", "weight_minus", "mixing_fixed", "mixing_grl"},
    ),
    "08_lightos": (
        {"osnet-block", "time-against-work", "split-sketch", "split-sweep", "terms", "gates", "students-by-depth"}
        | {"gap-by-depth", "stripes", "parts-alone", "upper-and-lower", "arms", "accuracy-against-cost", "feet-cut-off"},
        {"work_over_study", "time_over_study", "split_range", "mixing_conv2", "joined_rank1", "plain_minus_both_ir2vis_map"}
        | {"parameters_test_of_agw", "latency_of_agw", "lost_joined"},
    ),
    "09_mdpr": (
        {"idea", "two-views", "circle-margin", "diversity", "area", "terms", "agreement", "six-parts", "who-finds-what"}
        | {"stop-gradient", "ablation", "switches", "gap", "before-and-after"},
        {"train_seconds", "fixed_deep", "stays_deep", "follows_deep", "overlap_with", "overlap_without"}
        | {"foreground_none", "foreground_released", "mutual_pull", "agreement_same_picture", "agreement_another_person"}
        | {"rank1_hard", "rank1_all_six", "weight_of_hard", "directions_neck_with", "directions_labels_without"}
        | {"agw_minus_mdpr_ir2vis_map", "mixing_mdpr", "alike_twice"},
    ),
    "10_image_to_video": (
        {"film", "chunks", "frames", "noise", "cameras", "stages", "contrast", "terms-teacher", "terms-student", "weighted-terms"}
        | {"sureness", "ablation", "views", "scopes"},
        {"image_to_film_map", "film_to_film_map", "counts_as_student", "correlation_teacher", "second_camera_gain", "share_tcl"}
        | {"contrast_after", "apart_after", "vkd_minus_alone", "vkd_tcl_mutual_minus_alone", "pixels_rule", "pixels_leak"}
        | {"eight_views_minus_one"},
    ),
    "13_your_own_data": (
        {"own-folder", "left-out", "own-people", "own-training", "own-scores", "own-suspects", "own-features", "own-browser"},
        {"found_first", "within_infrared_by_place", "within_infrared_by_picture", "colours_within_visible", "mixing_colours"},
    ),
}
OWN_TREES = {"10_image_to_video", "13_your_own_data"}  # tracklets, a manifest: each has a test of its own below
pytestmark = pytest.mark.notebook


def execute(name: str, out: Path, **parameters: object) -> NotebookRun:
    """Run a notebook at smoke with runs of its own; its error is the test's."""
    own = {"profile": "smoke", "runs": str(out / "runs"), **parameters}
    run = run_notebook(NOTEBOOKS / f"{name}.ipynb", out, own, cell_timeout=240, timeout=400)
    assert run.succeeded, f"{name} failed in {run.error}"
    return run


@pytest.mark.parametrize("name", NAMES)
def test_runs_at_smoke_and_leaves_figures_numbers_and_a_page(name, tmp_path):
    run = execute(name, tmp_path)
    figures, numbers = LEAVES[name]
    assert figures <= set(run.figures)
    assert numbers <= set(run.numbers)
    assert all(0 <= entry["value"] <= 1 for entry in run.numbers.values() if entry["unit"] == "share" and entry["value"] is not None)
    assert run.figures, "a notebook without a named figure has no place on the index"
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["status"] == "finished" and record["parameters"]["profile"] == "smoke"
    pictures = [o for c in read_notebook(run.path)["cells"] for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert pictures and all(len(o["metadata"]["image/png"]["alt"]) > 20 for o in pictures)
    page = tmp_path / f"{name}.html"
    write_page(run.path, page, source_folder=NOTEBOOKS)
    fetched = re.findall(r"""(?:src|href)=["'](https?:)?//""", page.read_text(encoding="utf-8"))
    assert not fetched, "a page must load nothing from the network"


@pytest.mark.parametrize("name", [name for name in NAMES[2:] if name not in OWN_TREES])
def test_runs_on_a_tree_of_a_real_data_set_with_another_method(name, tmp_path, request):
    splits = {"train": tuple(range(1, 11)), "validation": (11, 12), "test": tuple(range(13, 19))}
    root = make_tree(tmp_path / "SYSU-MM01", splits=splits, size=(64, 32))
    options = {"projection": "pca"} if name.startswith("04") else {}
    execute(name, tmp_path / "out", dataset="sysu-mm01", data_root=str(root), allow_partial=True, **options)


@pytest.mark.parametrize("name", [name for name in NAMES if name[:2] in ("04", "05")])
def test_runs_with_one_camera_a_band_and_two_methods(name, tmp_path):
    splits = {1: {"train": tuple(range(1, 13)), "test": tuple(range(13, 21))}}
    root = make_regdb_tree(tmp_path / "RegDB", splits=splits, pictures=5, size=(64, 32))
    options = {"projection": "pca"} if name.startswith("04") else {}
    names = {"methods": ["agw", "smmd"], "dataset": "regdb"}
    run = execute(name, tmp_path / "out", data_root=str(root), allow_partial=True, **names, **options)
    skipped = "gap-by-camera-pair" if name.startswith("04") else "camera-pairs"
    assert skipped not in run.figures and run.figures


def test_smmd_runs_with_one_camera_a_band_and_keeps_the_sweep_apart(tmp_path):
    """RegDB: the ablation is Twilight's, so runs on other data are not marked in it; nobody is searched within a band."""
    splits = {1: {"train": tuple(range(1, 13)), "test": tuple(range(13, 21))}}
    root = make_regdb_tree(tmp_path / "RegDB", splits=splits, pictures=5, size=(64, 32))
    options = {"dataset": "regdb", "data_root": str(root), "allow_partial": True}
    run = execute("06_smmd", tmp_path / "out", **options)
    (alt,) = [
        output["metadata"]["image/png"]["alt"]
        for entry, output in outputs_with(read_notebook(run.path), "name")
        if entry["name"] == "smmd-ablation"
    ]
    assert "AGW" in alt and "your run" not in alt
    assert run.value("inside_share_baseline") is not None and "within_visible_rank1_smmd" not in run.numbers


def test_idkl_runs_with_one_camera_a_band_without_its_structure_term(tmp_path):
    """RegDB's preset leaves TGSA out, and nobody can be searched within a band; the ablation is Twilight's all the same."""
    splits = {1: {"train": tuple(range(1, 13)), "test": tuple(range(13, 21))}}
    root = make_regdb_tree(tmp_path / "RegDB", splits=splits, pictures=5, size=(64, 32))
    run = execute("07_idkl", tmp_path / "out", dataset="regdb", data_root=str(root), allow_partial=True)
    assert {"ablation", "terms"} <= set(run.figures) and run.value("agw_minus_idkl_ir2vis_map") is not None
    assert "inside_rank1_shared" not in run.numbers


def test_mdkt_runs_on_tracklets_of_one_band(tmp_path):
    """MARS: one search, whose query's own camera is removed; the ablation is Twilight's all the same, and no run is marked in it."""
    root = make_mars(tmp_path / "MARS", size=(64, 32))
    run = execute("10_image_to_video", tmp_path / "out", dataset="mars", data_root=str(root), allow_partial=True)
    assert {"film", "noise", "sureness", "ablation"} <= set(run.figures) and "cameras" not in run.figures
    assert run.value("pixels_leak") is not None and "second_camera_gain" not in run.numbers


def test_your_own_data_takes_a_manifest_that_is_there(tmp_path):
    splits = {"train": tuple(range(1, 9)), "validation": (9, 10), "test": tuple(range(11, 17))}
    root = make_manifest(tmp_path / "own", splits=splits, size=(64, 32))
    assert execute("13_your_own_data", tmp_path / "out", data_root=str(root)).value("found_first") is not None


def test_the_filmstrip_shows_what_a_training_kept(tmp_path):
    kept = load_or_train("agw", "twilight", profile="smoke", runs=tmp_path / "runs", keep_every=1, quiet=True)
    # Without a mark on the best, the network of the last epoch is the finished one, and that of the first lies on the way.
    (kept.path / "checkpoint" / "best").unlink()
    run = execute("04_see_the_gap", tmp_path, projection="pca")
    (film,) = [
        output
        for cell in read_notebook(run.path)["cells"]
        if 'name="gap-in-the-plane"' in "".join(cell["source"])
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    assert "epoch 1" in film["metadata"]["image/png"]["alt"] and "after training" in film["metadata"]["image/png"]["alt"]
    printed = "".join("".join(o.get("text", "")) for c in read_notebook(run.path)["cells"] for o in c.get("outputs", []))
    assert "kept no network on its way" not in printed

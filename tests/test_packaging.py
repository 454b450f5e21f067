"""The project's files agree with each other, and the package works without its checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.version import Version

import vireidkit

# The names under which conda-forge carries what PyPI calls otherwise.
CONDA_NAMES = {"pytorch": "torch", "python-build": "build"}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> dict[str, Requirement]:
    """Everything that pyproject.toml names, extras included."""
    lines = [*project()["dependencies"], *(line for extra in project()["optional-dependencies"].values() for line in extra)]
    found = [Requirement(line) for line in lines]
    assert len(found) == len({requirement.name for requirement in found}), "a package is named twice"
    return {requirement.name: requirement for requirement in found}


def constraints() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonical(r.name): r for r in map(Requirement, (line for line in lines if line.strip() and not line.startswith("#")))}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_environment_yml_names_the_same_packages_and_ranges() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    found = [Requirement(line) for line in [*(entry for entry in listed if isinstance(entry, str)), *pip]]
    conda = {CONDA_NAMES.get(requirement.name, requirement.name): requirement.specifier for requirement in found}
    assert conda.pop("python") == project()["requires-python"]
    assert conda.pop("pip") == ""
    assert conda == {name: requirement.specifier for name, requirement in requirements().items()}


def test_every_requirement_is_pinned_inside_its_range() -> None:
    pins = constraints()
    for name, requirement in requirements().items():
        (pin,) = pins[canonical(name)].specifier
        assert pin.operator == "==", name
        assert requirement.specifier.contains(pin.version), f"{name}: pin {pin.version} lies outside {requirement.specifier}"


def test_torch_is_pinned_without_a_local_version() -> None:
    (pin,) = constraints()["torch"].specifier
    assert pin.version == "2.13.0"
    assert all(Version(s.version).local is None for r in constraints().values() for s in r.specifier)


def test_installed_versions_are_the_pinned_ones() -> None:
    """Also finds what an install brought along unpinned."""
    if not (Path(sys.prefix) / ".installed").exists():
        pytest.skip("not installed by make")
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--exclude-editable"], capture_output=True, text=True, check=True
    ).stdout
    installed = {canonical(r.name): r for r in map(Requirement, (line for line in listed.splitlines() if "==" in line))}
    pins = constraints()
    unpinned = sorted(name for name in installed if name not in pins)
    assert not unpinned, f"constraints.txt lacks {unpinned}"
    for name, requirement in installed.items():
        (found,) = requirement.specifier
        assert pins[name].specifier.contains(found.version), f"{name}: installed {found.version}, pinned {pins[name].specifier}"


def test_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert vireidkit.__version__ == project()["version"] == str(citation["version"])


def test_every_pip_call_is_constrained_and_no_host_is_named() -> None:
    for name in ("Makefile", ".ci/run", "README.md", "environment.yml"):
        text = (ROOT / name).read_text()
        for line in text.splitlines():
            if re.search(r"\bpip install\b", line):
                assert "-c constraints.txt" in line, f"{name}: {line.strip()}"
        assert not re.search(r"index-url|find-links|pythonhosted|registry\.npmjs", text), name


def test_readme_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named and named <= targets, named - targets


def test_readme_links_lead_somewhere() -> None:
    for name in ("README.md", "THIRD_PARTY_NOTICES.md", "data/twilight/README.md"):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text()):
            if not re.match(r"[a-z]+:", link):
                assert ((ROOT / name).parent / link).exists(), f"{name}: {link}"


def test_import_is_lazy_and_promises_are_kept() -> None:
    code = (
        "import sys, vireidkit; assert 'torch' not in sys.modules, 'torch'; assert 'pandas' not in sys.modules, 'pandas'; "
        "print(vireidkit.list_methods.__name__, vireidkit.build_method.__name__, vireidkit.load_dataset.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["list_methods", "build_method", "load_dataset"], done.stderr
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = vireidkit.no_such_name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that the checkout gets no build folder."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "THIRD_PARTY_NOTICES.md"):
        shutil.copy(ROOT / name, source)
    for name in ("vireidkit", "LICENSES"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = out.glob("*.whl")
    return found


@pytest.mark.xdist_group("wheel")
def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"vireidkit", f"vireidkit-{vireidkit.__version__}.dist-info"}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "vireidkit").rglob("*.py")}
    renderer = {
        path.relative_to(ROOT).as_posix() for kind in ("tables/*.csv", "assets/*") for path in (ROOT / "vireidkit/twilight").glob(kind)
    }
    widgets = {path.relative_to(ROOT).as_posix() for path in (ROOT / "vireidkit/viz/static").iterdir()}
    assert len(renderer) > 10 and len(widgets) > 5 and modules | renderer | widgets | {"vireidkit/page.css"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.xdist_group("wheel")
def test_wheel_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--no-deps", "--quiet", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (packages,) = (home / "lib").glob("python*/site-packages")
    # A .pth line adds the folder alone, not the .pth files in it, so the checkout's editable install stays unseen.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIREIDKIT"))}
    where = subprocess.run(
        [python, "-c", "import vireidkit; print(vireidkit.__file__)"], cwd=tmp_path, env=clean, capture_output=True, text=True
    )
    assert where.stdout.startswith(str(home)), where.stderr
    listed = subprocess.run([home / "bin" / "vireidkit", "list"], cwd=tmp_path, env=clean, capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    assert "agw" in listed.stdout and "twilight" in listed.stdout

"""Habits that keep the kit simple, checked: who may import whom, short functions, docstrings, clean notebooks, defined words."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from notebook_source import text_of, tidied

from vireidkit.pages import anchor, mathml
from vireidkit.reproduce import STUDY, declared_parameters, has_tag

PACKAGE = ROOT / "vireidkit"
MODULES = sorted(PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
GLOSSARY = ROOT / "notebooks" / "GLOSSARY.md"
FUNCTION_LINES = 45
CELL_LINES = 15

# --- who may import whom --------------------------------------------------------------------------------------------------------------

LEAVES = {"errors", "files", "modality", "randomness"}
# What training, evaluation and analysis may know of a method: its interface.
INTERFACE = {"methods", "methods.base", "methods.recipe", "methods.registry"}
ROOMS = {
    "twilight": {"twilight"},
    "data": {"data"},
    "nn": {"nn"},
    "losses": {"losses"},
    "methods": {"data", "nn", "losses", "methods"},
    "training": {"data", "training"} | INTERFACE,
    "evaluation": {"data", "training", "evaluation"} | INTERFACE,
    "analysis": {"data", "training", "evaluation", "analysis"} | INTERFACE,
    "exercises": {"data", "evaluation", "analysis", "exercises"} | INTERFACE,
    "viz": {"data", "evaluation", "analysis", "viz"},
    "errors": set(),
    "modality": set(),
    "files": set(),
    "randomness": set(),
}


def module_name(path: Path) -> str:
    """The name inside the package: "data.store" for vireidkit/data/store.py."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def kit_imports(path: Path) -> Iterator[tuple[str, int]]:
    """(module inside the package, line) of every import of the kit, at any depth, type checking included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                # "from vireidkit.data import store" may name a module.
                inner = PACKAGE.parent / Path(*full.split("."))
                known = inner.is_dir() or inner.with_suffix(".py").exists()
                if (node.module or "").split(".")[0] == "vireidkit":
                    yield (full if known else node.module or "").removeprefix("vireidkit").lstrip("."), node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "vireidkit":
                    yield alias.name.removeprefix("vireidkit").lstrip("."), node.lineno


def allowed(target: str, room: str) -> bool:
    """Whether a module of ``room`` may import ``target``."""
    # The renderer stands alone: it may be lifted out of the kit.
    permitted = ROOMS[room] | (LEAVES if room != "twilight" else set())
    top = target.split(".")[0]
    if top == "methods" and "methods" in INTERFACE & permitted and room != "methods":
        return target in INTERFACE
    return target in permitted or top in permitted


def breaches(path: Path) -> list[str]:
    """Imports of a module that its room does not allow."""
    room = module_name(path).split(".")[0]
    if room not in ROOMS:
        return []
    return [f"{path.name}:{line}: {room} must not import vireidkit.{name}" for name, line in kit_imports(path) if not allowed(name, room)]


def test_imports_keep_their_direction() -> None:
    assert not [breach for path in MODULES for breach in breaches(path)]


@pytest.mark.parametrize(
    ("room", "target", "fine"),
    [
        ("nn", "losses", False),
        ("nn", "data.batch", False),
        ("losses", "nn.pooling", False),
        ("data", "losses", False),
        ("losses", "errors", True),
        ("methods", "nn.resnet", True),
        ("training", "methods.agw", False),
        ("training", "methods.base", True),
        ("evaluation", "analysis", False),
        ("analysis", "evaluation.features", True),
        ("analysis", "methods.agw", False),
        ("viz", "methods.base", False),
        ("viz", "analysis.gap", True),
        ("data", "experiment", False),
        ("twilight", "errors", False),
    ],
)
def test_the_rule_itself_tells_right_from_wrong(room: str, target: str, fine: bool) -> None:
    assert allowed(target, room) == fine


def test_every_room_is_known() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms <= set(ROOMS), f"give {rooms - set(ROOMS)} a place in ROOMS"


# --- code -----------------------------------------------------------------------------------------------------------------------------

FORBIDDEN = {
    r"\.cuda\(": "device follows the inputs",
    r"^\s*(import|from) (torchvision|timm)\b": "own trunks instead",
    r"torch\.manual_seed\(|np\.random\.seed\(": "randomness is an argument",
    r"except[^:\n]*:\s*\n\s*pass\b": "a silent except hides mistakes",
    r"\bTO" + r"DO\b|\bFIX" + r"ME\b": "unfinished",
    r"(^|[\"' ])/(home|root|tmp|work|Users)/": "a path of one machine",
}


def functions(path: Path) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, bool, bool]]:
    """(function, whether it is public, whether it is a method) of a file; functions inside functions are not public."""

    def walk(node: ast.AST, public: bool, method: bool) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, bool, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield child, public and not child.name.startswith("_"), method
                yield from walk(child, False, False)
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, public and not child.name.startswith("_"), True)
            else:
                yield from walk(child, public, method)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), True, False)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_functions_are_short() -> None:
    long = [(path, f) for path in MODULES for f, _, _ in functions(path) if length(f) > FUNCTION_LINES]
    assert not [f"{place(path, f)}: {f.name} has {length(f)} lines" for path, f in long]


def place(path: Path, node: ast.stmt) -> str:
    """Where a statement stands."""
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def undocumented(path: Path) -> Iterator[str]:
    """Public names of a file without docstring or types."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if tree.body and not ast.get_docstring(tree):
        yield f"{path.relative_to(ROOT)}: no module docstring"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            yield f"{place(path, node)}: {node.name} has no docstring"
    for function, public, method in functions(path):
        # The methods of a class may lean on its docstring while they are short.
        if public and not ast.get_docstring(function) and (not method or length(function) > 8):
            yield f"{place(path, function)}: {function.name} has no docstring"
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        untyped = [a.arg for a in arguments if a.annotation is None and a.arg not in {"self", "cls"}]
        if public and (untyped or function.returns is None):
            yield f"{place(path, function)}: {function.name} lacks types: {', '.join(untyped) or 'of its result'}"


def test_public_code_is_documented_and_typed() -> None:
    assert not [finding for path in MODULES for finding in undocumented(path)]


def forbidden_in(text: str) -> Iterator[tuple[int, str]]:
    """(line, what was found and why it is not wanted) in a text."""
    for pattern, reason in FORBIDDEN.items():
        for match in re.finditer(pattern, text, re.M):
            yield text[: match.start()].count("\n") + 1, f"{match[0].strip()!r}: {reason}"


def test_no_forbidden_patterns() -> None:
    paths = [*MODULES, *sorted((ROOT / "tests").glob("*.py")), *sorted((ROOT / "benchmarks").glob("*.py"))]
    found = [(path, line, what) for path in paths for line, what in forbidden_in(path.read_text(encoding="utf-8"))]
    assert not [f"{path.relative_to(ROOT)}:{line}: {what}" for path, line, what in found]


def test_forbidden_patterns_are_seen() -> None:
    bad = [
        "x = y.cu" + "da()",
        "import torch" + "vision",
        "torch.manual" + "_seed(0)",
        "except ValueError:\n    pa" + "ss",
        "# TO" + "DO",
        "open('/ho" + "me/me')",
    ]
    assert all(any(forbidden_in(text)) for text in bad)


# --- notebooks ------------------------------------------------------------------------------------------------------------------------

COMMON_PARAMETERS = {"method", "dataset", "data_root", "profile", "seed", "device"}


def load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def code_of(book: dict) -> Iterator[tuple[str, str]]:
    """(id, text) of the code cells."""
    return ((cell["id"], "".join(cell["source"])) for cell in book["cells"] if cell["cell_type"] == "code")


def prose_of(book: dict) -> str:
    return "\n\n".join("".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "markdown")


def test_the_notebooks_of_the_study_are_there() -> None:
    assert [path.name[:2] for path in NOTEBOOKS if path.name[:2] in STUDY] == list(STUDY)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    """One committed notebook."""

    def test_is_in_its_committed_form(self, path: Path) -> None:
        """No outputs or counts, no leftover metadata, ids by position. ``make tidy`` mends it."""
        text = path.read_text(encoding="utf-8")
        assert text == text_of(tidied(json.loads(text), path.stem)), f"run: make tidy ({path.name})"
        ids = [cell["id"] for cell in json.loads(text)["cells"]]
        assert len(set(ids)) == len(ids)

    def test_cells_are_short(self, path: Path) -> None:
        long = {name: text.count("\n") + 1 for name, text in code_of(load(path)) if text.count("\n") + 1 > CELL_LINES}
        assert not long

    def test_has_one_commented_parameters_cell_of_literals(self, path: Path) -> None:
        cells = [cell for cell in load(path)["cells"] if has_tag(cell, "parameters")]
        assert len(cells) == 1
        bare = [line for line in cells[0]["source"] if line.strip() and "#" not in line]
        assert not bare, "each parameter needs its reason beside it"
        found = declared_parameters(load(path))
        assert {"profile", "seed"} <= set(found)
        if "02" <= path.name[:2] <= "05":
            assert set(found) >= COMMON_PARAMETERS

    def test_keeps_no_secrets_from_the_reader(self, path: Path) -> None:
        for name, text in code_of(load(path)):
            assert not re.search(r"^\s*[!%]|\bglobal\s|get_ipython\(", text, re.M), f"{name}: magics and globals hide state"
            assert not list(forbidden_in(text)), name

    def test_links_lead_somewhere(self, path: Path) -> None:
        for link, _, fragment in (url.partition("#") for url in re.findall(r"\]\(([^)\s]+)\)", prose_of(load(path)))):
            if re.match(r"[a-z]+:", link):
                continue
            assert not link or (path.parent / link).exists(), link
            if link.endswith("GLOSSARY.md") and fragment:
                assert fragment in anchors(), f"GLOSSARY.md has no entry #{fragment}"

    def test_maths_can_be_drawn(self, path: Path) -> None:
        text = re.sub(r"```.*?```|`[^`\n]*`", "", prose_of(load(path)), flags=re.S)
        formulas = [*re.findall(r"\$\$(.+?)\$\$", text, re.S), *re.findall(r"(?<![\\$])\$([^$\n]+?)\$(?!\$)", text)]
        unread = [formula for formula in formulas if mathml(formula).startswith("<code")]
        assert not unread

    def test_special_words_are_defined_and_linked(self, path: Path) -> None:
        words = jargon(prose_of(load(path)))
        undefined = sorted(word for word in words if word not in defined() and word not in PLAIN)
        assert not undefined, f"define in GLOSSARY.md: {', '.join(undefined)}"
        links = set(re.findall(r"GLOSSARY\.md#([\w-]+)", prose_of(load(path))))
        unlinked = sorted(word for word in words if word in defined() and not defined()[word] & links)
        assert not unlinked, f"link to the glossary at first use: {', '.join(unlinked)}"


# --- glossary -------------------------------------------------------------------------------------------------------------------------

# Capitals that need no entry: machines, file kinds, institutions, data sets and papers that are named with their source.
PLAIN = set(
    re.findall(
        r"\S+",
        """
        CPU GPU RAM CUDA PNG JPEG CSV JSON HTML YAML SHA CC0 ID IDs OK README DOI NaN SGD MiB GiB MB GB KB WebP
        PyTorch NumPy SciPy JupyterLab GitHub DataFrame ImageStore MakeHuman
        DukeMTMC MTMC RegDB LLCM TPAMI ICCV ICME CVPR ECCV IJCV IEEE ACM GDPR EU US UK
        """,
    )
)


def anchors() -> set[str]:
    """Anchors of the glossary's entries."""
    return {anchor(heading) for heading in re.findall(r"^### (.+)$", GLOSSARY.read_text(encoding="utf-8"), re.M)}


def defined() -> dict[str, set[str]]:
    """Word -> anchors of the entries that define it: their headings, and the words in bold inside them."""
    found: dict[str, set[str]] = {}
    for entry in re.split(r"^### ", GLOSSARY.read_text(encoding="utf-8"), flags=re.M)[1:]:
        heading, _, body = entry.partition("\n")
        for word in [heading.strip(), *re.findall(r"\*\*(.+?)\*\*", body)]:
            found.setdefault(word, set()).add(anchor(heading))
    return found


def jargon(prose: str) -> set[str]:
    """Words with two or more capitals (CMC, mAP, GeM, VI-ReID ...), code, links and formulas left out. A plural s is dropped."""
    text = re.sub(r"```.*?```|`[^`\n]*`|\$\$.+?\$\$|\$[^$\n]+\$|\]\([^)]*\)|<[^>]+>|https?://\S+", " ", prose, flags=re.S)
    words = re.findall(r"\b[A-Za-z]*[A-Z][A-Za-z]*[A-Z][A-Za-z]*(?:-[A-Za-z0-9]+)*\b|\bt-SNE\b|\b[A-Z]+-[A-Z][A-Za-z0-9]+\b", text)
    known = set(defined()) | PLAIN
    found = set()
    for word in words:
        parts = [word] if word in known else [part for part in word.split("-") if sum(map(str.isupper, part)) > 1]
        found.update(part if part in known else part.removesuffix("s") for part in parts)
    return found


def test_jargon_is_found() -> None:
    text = "The CMC and mAP of GeM, `NOT_THIS`, VI-ReID on SYSU-MM01 with $AP_q$ and [UMAPs](X.md#ABC), AGW-style t-SNE."
    assert jargon(text) == {"CMC", "mAP", "GeM", "VI-ReID", "SYSU-MM01", "UMAP", "AGW", "t-SNE"}


def test_glossary_is_sorted_unique_and_links_inside_itself() -> None:
    text = GLOSSARY.read_text(encoding="utf-8")
    headings = re.findall(r"^### (.+)$", text, re.M)
    assert len(headings) >= 45
    assert len(set(map(anchor, headings))) == len(headings)
    assert headings == sorted(headings, key=str.casefold)
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= anchors()
    assert not re.findall(r"^### .+\n\n(?!\S)", text, re.M)

"""The house's rooms: which of them may import which, read from the imports; and that documents name what exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "codetitan"
FILES = sorted(PACKAGE.rglob("*.py"))

# room → what none of its files may import, not even inside a function
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "codetitan.data": ("torchtitan", "torchao", "codetitan.titan", "codetitan.training", "codetitan.models",
                       "codetitan.hf", "codetitan.plan", "codetitan.device"),
    "codetitan.data.sources": ("torch", "codetitan.tokenizer", "codetitan.data.pieces", "codetitan.data.rows",
                               "codetitan.data.views"),
    "codetitan.data.pieces": ("torch", "codetitan.data.sources", "codetitan.data.rows", "codetitan.data.views"),
    "codetitan.data.rows": ("codetitan.data.views",),
    "codetitan.tokenizer": ("torch", "torchtitan", "torchao", "codetitan.titan", "codetitan.training",
                            "codetitan.models", "codetitan.hf", "codetitan.plan", "codetitan.device"),
    "codetitan.objectives": ("codetitan.training", "codetitan.plan", "codetitan.hf", "codetitan.data.rows"),
    "codetitan.objectives.config": ("torch", "torchtitan", "codetitan.titan", "codetitan.models"),
    "codetitan.models": ("codetitan.training", "codetitan.plan", "codetitan.hf", "codetitan.data.rows"),
    "codetitan.training": ("codetitan.hf", "codetitan.plan", "codetitan.launch", "codetitan.run", "codetitan.engine",
                           "codetitan.evaluate", "codetitan.sandbox"),
    "codetitan.evaluate.compare": ("codetitan.engine", "codetitan.sandbox", "codetitan.data"),
    "codetitan.hf": ("codetitan.engine", "codetitan.evaluate", "codetitan.sandbox", "codetitan.plan"),
    "codetitan.hf.architectures": ("torch", "transformers", "torchtitan", "codetitan.titan", "codetitan.config"),
    "codetitan.engine": ("torchtitan", "torchao", "codetitan.titan", "codetitan.models", "codetitan.plan",
                         "codetitan.config", "codetitan.launch", "codetitan.run", "codetitan.evaluate",
                         "codetitan.sandbox", "codetitan.data.rows", "codetitan.data.sources"),
    "codetitan.engine.prompts": ("torch", "codetitan.hf", "codetitan.training"),
    "codetitan.evaluate": ("torch", "transformers", "torchtitan", "codetitan.titan", "codetitan.training",
                           "codetitan.models", "codetitan.plan", "codetitan.config", "codetitan.launch",
                           "codetitan.run", "codetitan.data.rows"),
    "codetitan.prepare.engine": ("torch", "transformers", "torchtitan", "codetitan.titan", "codetitan.training",
                                 "codetitan.data", "codetitan.config", "codetitan.models", "codetitan.plan",
                                 "codetitan.tokenizer"),
    "codetitan.prepare": ("torch", "transformers", "torchtitan", "torchao", "codetitan.titan", "codetitan.training",
                          "codetitan.models", "codetitan.hf", "codetitan.plan", "codetitan.engine",
                          "codetitan.evaluate", "codetitan.sandbox", "codetitan.launch", "codetitan.run",
                          "codetitan.data.rows", "codetitan.data.views"),
    # alone with what a model wrote: nothing to lose, nothing that is slow to start
    "codetitan.sandbox": ("torch", "torchtitan", "torchao", "transformers", *(
        f"codetitan.{path.stem}" for path in PACKAGE.iterdir() if path.stem not in ("sandbox", "errors"))),
    # what reads a TOML file for the data alone
    "codetitan.config.choice": ("torch", "codetitan"),
    "codetitan.config.load": ("torch", "codetitan.titan", "codetitan.training"),
    "codetitan.config.schema": ("torch", "codetitan.titan", "codetitan.training"),
    "codetitan.config.data": ("torch", "torchtitan", "codetitan.titan", "codetitan.training", "codetitan.models"),
}  # fmt: skip

# What a room forbids and one file in it is there to do: (its module, what it imports).
ALLOWED = {
    # a tokenizer is written with the tokenizer_config.json that an export has
    ("codetitan.tokenizer.train", "codetitan.hf.tokenizer"),
}


def module_of(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def only_for_types(tree: ast.AST) -> set[ast.AST]:
    """The statements under `if TYPE_CHECKING:`, which never run."""
    blocks = (n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test))
    return {inner for block in blocks for statement in block.body for inner in ast.walk(statement)}


def imports(path: Path) -> Iterator[str]:
    """The modules, and names of modules, that a file imports when it runs, wherever in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = only_for_types(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, f"{path}: relative imports hide the room"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


IMPORTS = {module_of(path): sorted(set(imports(path))) for path in FILES}


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_imports_what_stands_below_it(room: str) -> None:
    files = [module for module in IMPORTS if within(module, room)]
    assert files, f"there is no room {room}"
    found = {
        (module, name)
        for module in files
        for name in IMPORTS[module]
        for forbidden in FORBIDDEN[room]
        if within(name, forbidden) and not any(module == by and within(name, what) for by, what in ALLOWED)
    }
    assert found == set()


def test_every_exception_is_needed() -> None:
    assert all(what in IMPORTS[module] for module, what in ALLOWED)


def test_only_the_seam_imports_torchtitan() -> None:
    """device.py prepares torchtitan for a CPU before anything else of it is imported."""
    found = {module for module, names in IMPORTS.items() if any(within(name, "torchtitan") for name in names)}
    assert found <= {"codetitan.titan", "codetitan.device"}


def test_no_room_imports_the_commands() -> None:
    found = [module for module, names in IMPORTS.items() if any(within(name, "codetitan.cli") for name in names)]
    assert [module for module in found if not within(module, "codetitan.cli")] == ["codetitan.__main__"]


def test_no_import_runs_in_a_circle() -> None:
    """Of the imports at the heads of files: these decide what can be imported first."""
    heads: dict[str, set[str]] = {}
    for path in FILES:
        names = set()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        heads[module_of(path)] = {name for name in names if name in IMPORTS} - {module_of(path)}
    left = dict(heads)
    while True:
        free = [module for module, names in left.items() if not names & left.keys()]
        if not free:
            break
        for module in free:
            del left[module]
    assert left == {}


def test_every_room_has_a_face() -> None:
    for folder in sorted({path.parent for path in FILES}):
        face = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert face, f"{folder}: what is it, and what may it import?"


def test_tests_have_the_houses_rooms() -> None:
    rooms = {path.parent.relative_to(PACKAGE) for path in FILES}
    outside = {Path("benchmarks"), Path("hopper"), Path("parity"), Path()}
    tested = {path.parent.relative_to(REPOSITORY / "tests") for path in (REPOSITORY / "tests").rglob("test_*.py")}
    assert tested - outside <= rooms | {Path("models")}  # of models/code


# Paths as documents write them: `codetitan/data/order.py`, tests/…, docs/…; also rooms with a slash at their end.
_PATH = re.compile(r"(?<![\w/.:{<-])((?:codetitan|tests|docs|benchmarks|train_configs|\.ci)/[\w./-]*\w/?)")


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(
    str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").glob("*.md"))])  # fmt: skip
def test_the_files_that_a_document_names_exist(document: str) -> None:
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    named = {match.rstrip(".") for match in _PATH.findall(text)}
    links = {link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) if "://" not in link}
    missing = [name for name in named if not (REPOSITORY / name).exists()]
    missing += [link for link in links if not ((REPOSITORY / document).parent / link).exists()]
    assert missing == []

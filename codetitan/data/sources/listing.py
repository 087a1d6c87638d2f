"""Lists the files under a folder that are served, each with the repository that it belongs to and its licence."""

import fnmatch
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from codetitan.data.language import language_of
from codetitan.data.sources.repository import Ignore, is_licence, licence, repository_name

SCRIPTS = "#!"
"""In a list of patterns: executable files without an extension whose first line names an interpreter."""

# The languages of `codetitan.data.language`, and the prose and data files that live beside code.
INCLUDE = [
    "*.asm", "*.bash", "*.bat", "*.c", "*.cc", "*.clj", "*.cljs", "*.cmake", "*.cpp", "*.cs", "*.css", "*.cu", "*.cuh",
    "*.cxx", "*.dart", "*.el", "*.erl", "*.ex", "*.exs", "*.f90", "*.fs", "*.go", "*.gradle", "*.graphql", "*.groovy",
    "*.h", "*.hcl", "*.hh", "*.hpp", "*.hs", "*.html", "*.ipynb", "*.java", "*.jl", "*.js", "*.json", "*.jsx", "*.kt",
    "*.kts", "*.lisp", "*.lua", "*.m", "*.md", "*.mjs", "*.mk", "*.ml", "*.mli", "*.mm", "*.pas", "*.php", "*.pl",
    "*.pm", "*.proto", "*.ps1", "*.py", "*.pyi", "*.pyx", "*.R", "*.r", "*.rb", "*.rkt", "*.rs", "*.rst", "*.s", "*.S",
    "*.scala", "*.scm", "*.scss", "*.sh", "*.sol", "*.sql", "*.sv", "*.svelte", "*.swift", "*.tex", "*.tf", "*.toml",
    "*.ts", "*.tsx", "*.v", "*.vb", "*.vhd", "*.vue", "*.yaml", "*.yml", "*.zig", "*.zsh", "CMakeLists.txt",
    "Dockerfile", "Makefile", SCRIPTS,
]  # fmt: skip

# Copies of other projects, tests, and what tools write: not what a person would want to be completed.
EXCLUDE = [
    "node_modules", "bower_components", "third_party", "third-party", "vendor", "vendored", "site-packages", "Pods",
    "test", "tests", "__pycache__", "dist", "build", "target", "out", "*.egg-info", "*.min.js", "*.min.css",
    "*.bundle.js", "*_pb2.py", "*_pb2_grpc.py", "*.pb.go", "*.pb.cc", "*.pb.h", "package-lock.json",
]  # fmt: skip

_SHEBANG_BYTES = 256


@dataclass(frozen=True, slots=True)
class Origin:
    """What the files of a folder have in common.

    Attributes:
        repo: the repository; None where the folder belongs to none.
        licence: SPDX identifier; None where it is not known.
        top: characters of a file's path, below the source's folder, that lead to its repository.
        checkout: whether a `.git` marks the repository, rather than its place.
    """

    repo: str | None
    licence: str | None
    top: int = 0
    checkout: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a source: its path below the source's folder with forward slashes, its bytes, where it belongs."""

    path: str
    n_bytes: int
    origin: Origin


def matcher(patterns: list[str]) -> re.Pattern[str]:
    """Returns one regular expression for several fnmatch patterns; for none, one that matches nothing."""
    return re.compile("|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in patterns) or r"(?!)")


def list_files(
    root: Path,
    *,
    include: list[str],
    exclude: list[str],
    max_file_bytes: int,
    dropped: Counter[str],
    origin: Origin | None = None,
    repo_depth: int = 0,
    gitignore: bool = True,
) -> list[Listed]:
    """Lists the files to serve, in the order of the file system; links are not followed, hidden ones left out.

    Args:
        root: the folder.
        include: patterns of file names, or `SCRIPTS`.
        exclude: patterns of file and folder names.
        max_file_bytes: larger files are left out.
        dropped: gets the reasons why files are left out, counted.
        origin: of every file; None where it is to be found out.
        repo_depth: folders below `root` down to a repository.
        gitignore: whether what .gitignore files name is left out.
    """
    included, scripts = matcher([pattern for pattern in include if pattern != SCRIPTS]), SCRIPTS in include
    files: list[Listed] = []
    for path, entry, of_folder, ignore in _walk(root, exclude, dropped, origin, repo_depth, gitignore):
        if not included.match(entry.name) and not (scripts and _may_be_script(entry)):
            dropped["other file type"] += 1
            continue
        size = entry.stat(follow_symlinks=False).st_size
        if ignore is not None and ignore.ignores(path):
            dropped["ignored by .gitignore"] += 1
        elif size == 0:
            dropped["empty"] += 1
        elif size > max_file_bytes:
            dropped["too large"] += 1
        elif not path.isprintable():  # bytes that are no UTF-8, or control characters that a terminal would obey
            dropped["unprintable name"] += 1
        elif not os.access(entry.path, os.R_OK):
            dropped["unreadable"] += 1
        elif not included.match(entry.name) and not _is_script(entry):
            dropped["other file type"] += 1
        else:
            files.append(Listed(path, size, of_folder))
    return files


def _may_be_script(entry: "os.DirEntry[str]") -> bool:
    return "." not in entry.name and bool(entry.stat(follow_symlinks=False).st_mode & 0o111)


def _is_script(entry: "os.DirEntry[str]") -> bool:
    try:
        with Path(entry.path).open("rb") as file:
            return language_of("", file.read(_SHEBANG_BYTES)) != "other"
    except OSError:
        return False


def _walk(
    root: Path, exclude: list[str], dropped: Counter[str], given: Origin | None, repo_depth: int, gitignore: bool
) -> Iterator[tuple[str, "os.DirEntry[str]", Origin, Ignore | None]]:
    """Yields (path below root, entry, origin, what git ignores) of regular files."""
    excluded = matcher(exclude)
    folders: list[tuple[str, Origin, Ignore | None]] = [("", given or Origin(None, None), None)]
    while folders:
        folder, origin, ignore = folders.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError:
            dropped["unreadable folder"] += 1
            continue
        files = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
        checkout = any(entry.name == ".git" for entry in entries)
        if given is None:
            origin = _origin(root, folder, origin, checkout, repo_depth, files)
        if gitignore:
            above = None if checkout else ignore
            ignore = above
            if ".gitignore" in files:
                try:
                    ignore = Ignore(above, folder, (root / folder / ".gitignore").read_bytes())
                except OSError:
                    dropped["unreadable"] += 1
        for entry in entries:
            name = entry.name
            if name.startswith(".") or excluded.match(name):
                continue
            path = folder + name
            if name in files:
                yield path, entry, origin, ignore
            elif entry.is_dir(follow_symlinks=False):
                if ignore is not None and ignore.ignores(path + "/"):
                    dropped["ignored by .gitignore"] += 1
                else:
                    folders.append((path + "/", origin, ignore))


def _origin(root: Path, folder: str, above: Origin, checkout: bool, repo_depth: int, files: set[str]) -> Origin:
    """Returns the origin of a folder's files: a repository begins at a `.git`, or at the depth that a person named."""
    at_depth = folder.count("/") == repo_depth and not (above.checkout and above.top)
    licences = [name for name in files if is_licence(name)]
    if not checkout and not at_depth:
        return Origin(
            above.repo, licence(root / folder, licences) if licences else above.licence, above.top, above.checkout
        )
    # The folder that a person named has no name of its own: it may lie anywhere.
    place = folder.rstrip("/") if at_depth else PurePosixPath(folder).name
    repo = (repository_name(root / folder) if checkout else None) or (place if place.isprintable() else None)
    return Origin(repo or None, licence(root / folder, licences), len(folder), checkout)

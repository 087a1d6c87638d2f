"""Lists the files under a folder that are served, each with the repository that it belongs to and its licence."""

import fnmatch
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from codetitan.data.language import language_of
from codetitan.data.sources.repository import Ignore, is_licence, licence, repository_name
from codetitan.data.sources.walk import UNREADABLE, Links, Tell, walk

SCRIPTS = "#!"
"""In a list of patterns: executable files without an extension whose first line names an interpreter."""

# The languages of `codetitan.data.language`, and the prose and data files that live beside code.
INCLUDE = [
    "*.asm", "*.bash", "*.bat", "*.bats", "*.c", "*.cc", "*.cjs", "*.clj", "*.cljs", "*.cmake", "*.cpp", "*.cs",
    "*.csh", "*.css", "*.cts", "*.cu", "*.cuh", "*.cxx", "*.dart", "*.el", "*.erl", "*.ex", "*.exs", "*.F", "*.f",
    "*.f03", "*.f08", "*.f77", "*.F90", "*.f90", "*.f95", "*.fish", "*.for", "*.fs", "*.fsx", "*.gemspec", "*.go",
    "*.gradle", "*.graphql", "*.groovy", "*.h", "*.hcl", "*.hh", "*.hpp", "*.hrl", "*.hs", "*.htm", "*.html",
    "*.hxx", "*.inl", "*.ino", "*.ipp", "*.ipynb", "*.java", "*.jl", "*.js", "*.json", "*.jsx", "*.kt", "*.kts",
    "*.less", "*.lhs", "*.lisp", "*.lua", "*.m", "*.markdown", "*.md", "*.mjs", "*.mk", "*.ml", "*.mli", "*.mm",
    "*.mts", "*.pas", "*.php", "*.pl", "*.pm", "*.proto", "*.ps1", "*.psm1", "*.pxd", "*.py", "*.pyi", "*.pyw",
    "*.pyx", "*.R", "*.r", "*.rake", "*.rb", "*.rkt", "*.rs", "*.rst", "*.S", "*.s", "*.sass", "*.sbt", "*.scala",
    "*.scm", "*.scss", "*.sh", "*.sol", "*.sql", "*.sv", "*.svelte", "*.svh", "*.swift", "*.tex", "*.tf", "*.toml",
    "*.ts", "*.tsx", "*.v", "*.vb", "*.vh", "*.vhd", "*.vue", "*.yaml", "*.yml", "*.zig", "*.zsh", "CMakeLists.txt",
    "Dockerfile", "Gemfile", "GNUmakefile", "Jenkinsfile", "Makefile", "Rakefile", SCRIPTS,
]  # fmt: skip

# Copies of other projects, tests, and what tools write: not what a person would want to be completed.
EXCLUDE = [
    "node_modules", "bower_components", "third_party", "third-party", "vendor", "vendored", "site-packages", "Pods",
    "test", "tests", "__pycache__", "dist", "build", "target", "out", "*.egg-info", "*.min.js", "*.min.css",
    "*.bundle.js", "*_pb2.py", "*_pb2_grpc.py", "*.pb.go", "*.pb.cc", "*.pb.h", "package-lock.json",
]  # fmt: skip

_SHEBANG_BYTES = 256
_OF_GIT = {".git", ".gitattributes", ".gitignore", ".gitmodules"}  # in every checkout: not worth a count


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
    tell: Tell | None = None,
    origin: Origin | None = None,
    repo_depth: int = 0,
    gitignore: bool = True,
    links: Links = "none",
) -> list[Listed]:
    """Lists the files to serve, in no order; each real file once, however many links lead to it.

    Args:
        root: the folder.
        include: patterns of file names, or `SCRIPTS`.
        exclude: patterns of file and folder names.
        max_file_bytes: larger files are left out.
        dropped: gets the reasons why files and folders are left out, counted.
        tell: hears each of them.
        origin: of every file; None where it is to be found out.
        repo_depth: folders below `root` down to a repository.
        gitignore: whether what .gitignore files name is left out.
        links: which links are followed.
    """
    included, scripts = matcher([pattern for pattern in include if pattern != SCRIPTS]), SCRIPTS in include
    excluded = matcher(exclude)
    files: list[Listed] = []
    taken: set[str] | None = None  # real paths of them: once a link asks

    def left_out(reason: str, path: str) -> None:
        dropped[reason] += 1
        if tell is not None:
            tell(reason, path)

    def named(path: str) -> bool:
        name = path.rpartition("/")[2]
        if name.startswith("."):
            if name not in _OF_GIT:
                left_out("hidden", path)
            return False
        if excluded.match(name):
            left_out("excluded by name", path)
            return False
        return True

    def descend(path: str, context: _Context) -> bool:
        if context.ignore is not None and context.ignore.ignores(path):
            left_out("ignored by .gitignore", path)
            return False
        return True

    def served(real: str) -> bool:
        nonlocal taken
        if taken is None:
            top = os.path.realpath(root).rstrip("/")
            taken = {f"{top}/{file.path}" for file in files}
        return real in taken

    def enter(folder: str, entries: list["os.DirEntry[str]"], above: _Context) -> _Context:
        return _enter(root, folder, entries, above, origin, repo_depth, gitignore, links, left_out)

    top = _Context(origin or Origin(None, None), None)
    for found in walk(
        root, links=links, dropped=dropped, tell=tell, top=top, enter=enter, named=named, descend=descend, served=served
    ):
        path, entry, context = found.path, found.entry, found.context
        reason = _left_out(path, entry, context, included, scripts, max_file_bytes)
        if reason is not None:
            left_out(reason, path)
            continue
        files.append(Listed(path, entry.stat().st_size, context.origin))
        if taken is not None:
            taken.add(found.real)
    dropped += Counter()  # no reason with a count of nothing
    return files


@dataclass(frozen=True, slots=True)
class _Context:
    """What holds in a folder: where its files belong, and what git ignores."""

    origin: Origin
    ignore: Ignore | None


def _left_out(
    path: str,
    entry: "os.DirEntry[str]",
    context: _Context,
    included: re.Pattern[str],
    scripts: bool,
    max_file_bytes: int,
) -> str | None:
    """Returns why a file is not served; None where it is."""
    try:
        matches = included.match(entry.name) is not None
        if not matches and not (scripts and _may_be_script(entry)):
            return "other file type"
        size = entry.stat().st_size
    except OSError:  # gone since its folder was read
        return UNREADABLE
    if context.ignore is not None and context.ignore.ignores(path):
        return "ignored by .gitignore"
    if size == 0:
        return "empty"
    if size > max_file_bytes:
        return "too large"
    if not path.isprintable():  # bytes that are no UTF-8, or control characters that a terminal would obey
        return "unprintable name"
    if not os.access(entry.path, os.R_OK):
        return UNREADABLE
    return None if matches or _is_script(entry) else "other file type"


def _may_be_script(entry: "os.DirEntry[str]") -> bool:
    return "." not in entry.name and bool(entry.stat().st_mode & 0o111)


def _is_script(entry: "os.DirEntry[str]") -> bool:
    try:
        with Path(entry.path).open("rb") as file:
            return language_of("", file.read(_SHEBANG_BYTES)) != "other"
    except OSError:
        return False


def _enter(
    root: Path,
    folder: str,
    entries: list["os.DirEntry[str]"],
    above: _Context,
    given: Origin | None,
    repo_depth: int,
    gitignore: bool,
    links: Links,
    left_out: Tell,
) -> _Context:
    """Returns what holds in a folder, from its entries and what holds above it."""
    checkout = any(entry.name == ".git" for entry in entries)
    origin = given
    if origin is None:
        licences = [entry.name for entry in entries if is_licence(entry.name) and _is_file(entry, links)]
        origin = _origin(root, folder, above.origin, checkout, repo_depth, licences)
    ignore = above.ignore if gitignore and not checkout else None
    # Git does not follow a link of that name.
    if gitignore and any(entry.name == ".gitignore" and _is_file(entry, "none") for entry in entries):
        try:
            ignore = Ignore(ignore, folder, (root / folder / ".gitignore").read_bytes())
        except OSError:
            left_out(UNREADABLE, f"{folder}.gitignore")
    return _Context(origin, ignore)


def _is_file(entry: "os.DirEntry[str]", links: Links) -> bool:
    try:
        return entry.is_file(follow_symlinks=links != "none")
    except OSError:  # a loop of links
        return False


def _origin(root: Path, folder: str, above: Origin, checkout: bool, repo_depth: int, licences: list[str]) -> Origin:
    """Returns the origin of a folder's files: a repository begins at a `.git`, or at the depth that a person named."""
    at_depth = folder.count("/") == repo_depth and not (above.checkout and above.top)
    if not checkout and not at_depth:
        return Origin(
            above.repo, licence(root / folder, licences) if licences else above.licence, above.top, above.checkout
        )
    # The folder that a person named has no name of its own: it may lie anywhere.
    place = folder.rstrip("/") if at_depth else PurePosixPath(folder).name
    repo = (repository_name(root / folder) if checkout else None) or (place if place.isprintable() else None)
    return Origin(repo or None, licence(root / folder, licences), len(folder), checkout)

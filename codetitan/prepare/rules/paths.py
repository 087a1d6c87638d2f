"""Files that are not the repository's own work, or no work of people, by their paths and sizes alone.

This rule runs before licences propagate: a committed `venv` brought GPL texts, so wrong licences, into The Stack v2.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_at_least
from codetitan.prepare.rules.globs import globs

VENDORED = (
    "vendor/", "vendors/", "Vendor/", "_vendor/", "vendored/", "_vendored/", "third[_-]party/", "thirdparty/",
    "Third[_-]Party/", "ThirdParty/", "3rd[_-]party/", "3rdparty/", "extern/", "external/", "externals/", "Extern/",
    "External/", "Externals/", "/deps/", "/[Dd]ependencies/", "node_modules/", "bower_components/", "jspm_packages/",
    ".yarn/", "Godeps/_workspace/", "Pods/", "Carthage/", "xvba_modules/", "site-packages/", "dist-packages/", "venv/",
    ".venv/", "env/", ".env/", "virtualenv/", ".tox/", ".nox/", ".eggs/", "__pypackages__/", "/debian/",
    ".mvn/wrapper/", "gradle/wrapper/", "gradlew", "gradlew.bat", "mvnw", "mvnw.cmd", "dotnet-install.sh",
    "dotnet-install.ps1", "waf", "erlang.mk", "cpplint.py", "jquery*.js", "bootstrap*.js", "bootstrap*.css",
    "bootstrap*.less", "bootstrap*.scss", "font-awesome*.css", "fontawesome*.css", "normalize.css", "animate.css",
    "angular*.js", "d3.js", "d3.v[0-9].js", "react.js", "react-dom.js", "modernizr*.js", "mootools*.js", "prototype.js",
    "ckeditor.js", "tiny_mce*.js", "dojo.js", "MathJax/", "ace-builds/", "html5shiv.js", "pdf.worker.js",
)  # fmt: skip
"""Others' work: Linguist's lib/linguist/vendor.yml, without what that leaves out for its statistics only (.github/,
.gitignore, Jenkinsfile, *.d.ts, docs/), with more of the names that Python packages use."""

GENERATED = (
    "*.min.js", "*-min.js", "*.min.css", "*-min.css", "*.js.map", "*.css.map", "dist/", "htmlcov/", "__generated__/",
    "__pycache__/", "*.egg-info/", ".idea/", ".mypy_cache/", "*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*.pb.go",
    "*.pb.cc", "*.pb.h", "*.g.dart", "*.freezed.dart", "*.[Dd]esigner.cs", "*.[Dd]esigner.vb", "*.feature.cs", "*.nib",
    "*.xcworkspacedata", "*.xcuserstate", "configure", "config.guess", "config.sub", "aclocal.m4", "libtool.m4",
    "ltoptions.m4", "ltsugar.m4", "ltversion.m4", "lt~obsolete.m4", "ltmain.sh", "package-lock.json",
    "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "deno.lock", ".pnp.*", "Cargo.lock",
    "poetry.lock", "pdm.lock", "uv.lock", "pixi.lock", "Pipfile.lock", "composer.lock", "Gemfile.lock", "go.sum",
    "Gopkg.lock", "glide.lock", "flake.lock", "mix.lock", "Package.resolved", ".terraform.lock.hcl",
    "MODULE.bazel.lock",
)  # fmt: skip
"""What a program wrote, by name: Linguist's lib/linguist/generated.rb; generated.py has what is told by content."""

TESTS = ("[Tt]est/", "[Tt]ests/", "__tests__/", "testdata/", "test_data/", "__snapshots__/", "[Ss]pec/fixtures/",
         "[Ss]pecs/fixtures/")  # fmt: skip
"""Tests and what they read."""

_LISTS = ("vendored", "generated", "tests", "also")


@dataclass(kw_only=True, slots=True)
class Paths:
    """Drops a file whose path matches a glob of a list, a binary one, and one of more than `max_bytes`.

    Globs mean what they mean in a .gitignore (globs.py). A list that is given replaces the one here; `also` adds to
    them, and what matches one of `keep` is kept whatever the lists say. A file is binary by its extension or, where its
    content is known, by a NUL in it. Links are the readers' matter.

    Source: go-enry's is_vendor and is_generated, by which The Stack v2 was labelled (bigcode-project/the-stack-v2,
    get_file_contents.py, also for the NUL), and the lists above; 1 MB as in The Stack (v2 has 10 MiB).
    """

    NAME: ClassVar[str] = "paths"

    enable: bool = True
    max_bytes: int = 1_000_000
    binary: bool = True
    vendored: list[str] = field(default_factory=lambda: list(VENDORED))
    generated: list[str] = field(default_factory=lambda: list(GENERATED))
    tests: list[str] = field(default_factory=lambda: list(TESTS))
    also: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_at_least("max_bytes", self.max_bytes, 1)
        for name in (*_LISTS, "keep"):
            _check_globs(name, getattr(self, name))

    def judge_path(self, path: str, n_bytes: int) -> Drop | None:
        """Returns why a file is left out, before it is read.

        Args:
            path: inside the repository; stores write "/vendor/a.py" (The Stack v2) and Windows' slashes, too.
            n_bytes: its size.
        """
        if n_bytes > self.max_bytes:
            return Drop(self.NAME, "large file", n_bytes, self.max_bytes)
        if self.binary and is_binary_name(path.rpartition("/")[2]):
            return Drop(self.NAME, "binary file", path.rpartition(".")[2])
        plain = path.replace("\\", "/").removeprefix("./").lstrip("/")
        for reason, patterns in self._lists():
            glob = globs(tuple(patterns)).first(plain)
            if glob is not None and globs(tuple(self.keep)).first(plain) is None:
                return Drop(self.NAME, reason, path, glob)
        return None

    def judge(self, file: File) -> Drop | None:
        drop = self.judge_path(file.path, len(file.data))
        if drop is None and self.binary and b"\0" in file.data:
            return Drop(self.NAME, "binary content", "NUL")
        return drop

    def _lists(self) -> Iterable[tuple[str, list[str]]]:
        yield "vendored path", self.vendored
        yield "generated path", self.generated
        yield "path of tests", self.tests
        yield "path of one's own list", self.also


def _check_globs(key: str, patterns: list[str]) -> None:
    for pattern in patterns:
        if pattern.startswith("!"):
            raise ValueError(f'{key} has "{pattern}": write what is kept into keep, without the "!"')
    try:
        globs(tuple(patterns))
    except ValueError as error:
        raise ValueError(f"{key} has {error}") from None


# What `identify` does not know as binary.
_BINARY = {
    "pyc", "pyo", "pkl", "pickle", "npy", "bin", "dat", "db", "sqlite", "sqlite3", "mo", "o", "a", "lib", "obj", "pack",
    "idx", "h5", "hdf5", "parquet", "onnx", "pt", "pth", "safetensors", "wasm", "7z", "xz", "bz2", "zst",
}  # fmt: skip


def is_binary_name(name: str) -> bool:
    """Whether a file name's extension is that of a binary format."""
    return "." in name and _is_binary(name.rpartition(".")[2].lower())


@lru_cache(maxsize=4096)
def _is_binary(extension: str) -> bool:
    from identify import identify

    return extension in _BINARY or "binary" in identify.tags_from_filename(f"x.{extension}")

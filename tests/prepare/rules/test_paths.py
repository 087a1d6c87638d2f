"""Paths and sizes: what is dropped, what is not, one's own globs, and the lines for wrong ones."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from codetitan.prepare.file import Drop
from codetitan.prepare.rules.globs import Globs
from codetitan.prepare.rules.paths import GENERATED, TESTS, VENDORED, Paths
from tests.prepare.rules.made import library, made


@pytest.mark.parametrize(
    ("path", "reason", "glob"),
    [
        ("vendor/a.go", "vendored path", "vendor/"),
        ("a/third_party/b.c", "vendored path", "third[_-]party/"),
        ("lib/3rdparty/b.c", "vendored path", "3rdparty/"),
        ("venv/lib/python3.11/site-packages/x.py", "vendored path", "site-packages/"),
        (".venv/bin/activate", "vendored path", ".venv/"),
        ("env/x.py", "vendored path", "env/"),
        ("web/node_modules/x/index.js", "vendored path", "node_modules/"),
        ("static/jquery-3.6.0.js", "vendored path", "jquery*.js"),
        ("debian/rules", "vendored path", "/debian/"),
        ("static/app.min.js", "generated path", "*.min.js"),
        ("package-lock.json", "generated path", "package-lock.json"),
        ("a/b_pb2.py", "generated path", "*_pb2.py"),
        ("Views/Form1.Designer.cs", "generated path", "*.[Dd]esigner.cs"),
        ("configure", "generated path", "configure"),
        ("test/a.py", "path of tests", "[Tt]est/"),
        ("src/pkg/tests/a.py", "path of tests", "[Tt]ests/"),
        ("a/__tests__/b.js", "path of tests", "__tests__/"),
    ],
)
def test_dropped(path: str, reason: str, glob: str) -> None:
    assert Paths().judge_path(path, 10) == Drop("paths", reason, path, glob)
    assert Paths().judge(made("x = 1", path=path)) == Drop("paths", reason, path, glob)


@pytest.mark.parametrize(
    "path",
    ["a.py", "vendor.py", "src/vendored.c", "environment/a.py", "envs/gym.py", "contest/a.py", "src/test.py",
     "src/debian/rules", "tests.py", "src/admin.js", "configure.py", "a/mytest/b.py", "thirdparty.c", ".github/a.yml"],
)  # fmt: skip
def test_kept(path: str) -> None:
    assert Paths().judge_path(path, 10) is None


def test_sizes_are_a_megabyte_of_a_million_bytes() -> None:
    assert Paths().judge_path("a.py", 1_000_000) is None
    assert Paths().judge_path("a.py", 1_000_001) == Drop("paths", "large file", 1_000_001, 1_000_000)
    assert Paths().judge(made("é" * 500_001)) == Drop("paths", "large file", 1_000_002, 1_000_000)


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "lib.so", "x.pyc", "model.safetensors", "a.b.jar", "x.woff2"])
def test_binaries_by_name(name: str) -> None:
    drop = Paths().judge_path(name, 10)
    assert drop == Drop("paths", "binary file", name.rpartition(".")[2])
    assert Paths(binary=False).judge_path(name, 10) is None


def test_binaries_by_content() -> None:
    assert Paths().judge(made("a\0b")) == Drop("paths", "binary content", "NUL")
    assert Paths(binary=False).judge(made("a\0b")) is None
    assert Paths().judge_path("a.svg", 10) is None  # an image that is text


def test_lists_are_replaced_added_to_and_excepted_from() -> None:
    assert Paths(tests=[]).judge_path("test/a.py", 10) is None
    assert Paths(vendored=["lib/"]).judge_path("vendor/a.py", 10) is None
    also = Paths(also=["/docs/**/api/", "*.sql"])
    assert also.judge_path("docs/a/b/api/x.py", 10) == Drop(
        "paths", "path of one's own list", "docs/a/b/api/x.py", "/docs/**/api/"
    )
    assert also.judge_path("a/docs/api/x.py", 10) is None
    kept = Paths(keep=["/vendor/ours/"])
    assert kept.judge_path("vendor/ours/a.go", 10) is None
    assert kept.judge_path("vendor/theirs/a.go", 10) is not None
    assert kept.judge_path("vendor/ours/a.go", 2_000_000) is not None


@pytest.mark.parametrize(
    ("lists", "line"),
    [
        ({"vendored": ["!src/"]}, 'vendored has "!src/": write what is kept into keep, without the "!"'),
        ({"also": ["a/", ""]}, 'also has "", which is no glob, such as "vendor/" or "*.min.js"'),
        ({"keep": ["# x"]}, 'keep has "# x", which is no glob, such as "vendor/" or "*.min.js"'),
        ({"tests": ["/"]}, 'tests has "/", which is no glob, such as "vendor/" or "*.min.js"'),
    ],
)
def test_wrong_globs(lists: dict[str, list[str]], line: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        Paths(**lists)  # type: ignore[arg-type]


NAMES = st.sampled_from(["vendor", "a", "test", "tests", "x.min.js", "debian", "deps", "b.py", "jquery.js", "dist"])


@given(st.lists(NAMES, min_size=1, max_size=5).map("/".join))
def test_one_expression_says_what_each_glob_says(path: str) -> None:
    patterns = [*VENDORED, *GENERATED, *TESTS]
    each = [glob for glob in patterns if GitIgnoreSpec.from_lines([glob]).match_file(path)]
    assert Globs(patterns).first(path) == (each[0] if each else None)


def test_no_glob_at_all() -> None:
    assert Globs([]).first("a") is None


def test_a_long_path_takes_no_time() -> None:
    start = time.process_time()
    assert Paths().judge_path("a/" * 2000 + "b.py", 10) is None
    assert time.process_time() - start < 1


def test_the_library() -> None:
    drops = [drop for file in library() if (drop := Paths().judge(file)) is not None]
    assert {drop.reason for drop in drops} == {"path of tests", "vendored path"}
    # The price of the rule: the module that makes virtual environments has their name.
    assert {drop.value for drop in drops if drop.reason == "vendored path"} == {"venv/__init__.py", "venv/__main__.py"}
    assert Paths(keep=["/venv/"]).judge_path("venv/__init__.py", 10) is None


@pytest.mark.parametrize(
    ("path", "glob"),
    [
        ("/vendor/a.py", "vendor/"), ("./vendor/a.py", "vendor/"), ("src\\vendor\\a.js", "vendor/"),
        ("/deps/a.c", "/deps/"), ("/tests/a.py", "[Tt]ests/"), ("src/deps/a.c", None), ("latest/a.py", None),
        ("contest.py", None), ("tests.py", None), ("vendor.py", None), ("my_external/a.c", None), ("env.py", None),
    ],
)  # fmt: skip
def test_paths_as_stores_write_them(path: str, glob: str | None) -> None:
    """The Stack v2's begin with a slash."""
    drop = Paths().judge_path(path, 10)
    assert (drop and drop.threshold) == glob


def test_what_is_exactly_as_large_as_may_be() -> None:
    assert Paths().judge_path("a.py", 1_000_000) is None
    assert Paths().judge_path("a.py", 1_000_001) == Drop("paths", "large file", 1_000_001, 1_000_000)

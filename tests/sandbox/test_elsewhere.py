"""The sandbox as another user, in something like a container, and where the kernel lacks what it needs."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.sandbox.attacks import CHEATS, ESCAPES, SLOW, TWICE

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="becomes other users"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="filters calls by their numbers on x86-64"),
]

SOLUTION = {"source": "def f(x): return 2 * x", "test": TWICE, "entry_point": "f"}
CHEATS_HERE = [name for name in CHEATS if name not in SLOW]
OF_A_USER = {"uid": 54_321}
IN_A_CONTAINER = {"container": True}
USER_IN_A_CONTAINER = {"uid": 54_321, "container": True}


def elsewhere(where: dict[str, Any], programs: list[dict[str, Any]], tmp_path: Path) -> tuple[dict[str, Any], str]:
    """Returns what it printed, and its stderr."""
    tmp_path.chmod(0o755)
    if "uid" in where and any(not folder.stat().st_mode & 0o001 for folder in Path(sys.executable).parents):
        pytest.skip(f"another user can't reach {sys.executable}")
    environment = {
        "PYTHONPATH": str(REPOSITORY),
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "CODETITAN_CACHE": "/tmp",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.elsewhere", json.dumps({**where, "programs": programs})],
        capture_output=True, text=True, cwd="/", env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed, done.stderr


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(OF_A_USER, id="user", marks=pytest.mark.slow),
        pytest.param(IN_A_CONTAINER, id="container"),
        pytest.param(USER_IN_A_CONTAINER, id="user-in-container"),
    ],
)
def test_all_holds(where: dict[str, Any], tmp_path: Path) -> None:
    outside = tmp_path / "file"
    outside.write_text("content")
    outside.chmod(0o666)
    head = f"OUTSIDE = {str(outside)!r}\nPID = {os.getpid()}\n"
    programs = [SOLUTION]
    asked = "def check(candidate):\n    assert candidate() == 'escaped'\n"
    programs += [{"source": head + source, "test": asked, "entry_point": "f"} for source in ESCAPES.values()]
    programs += [{"source": CHEATS[name][0], "test": TWICE, "entry_point": "f"} for name in CHEATS_HERE]
    printed, stderr = elsewhere(where, programs, tmp_path)
    verdicts = [printed["verdicts"][str(place)] for place in range(len(programs))]
    assert verdicts[0] == ["passed", ""]
    held = dict(zip(ESCAPES, verdicts[1:], strict=False))
    assert {name: verdict for name, verdict in held.items() if verdict[0] not in ("error", "memory", "files")} == {}
    cheats = dict(zip(CHEATS_HERE, verdicts[1 + len(ESCAPES) :], strict=True))
    assert {name: verdict for name, verdict in cheats.items() if verdict[0] == "passed"} == {}
    assert outside.read_text() == "content" and sorted(tmp_path.iterdir()) == [outside]
    assert bool(printed["facts"]["uids"]) == (where == IN_A_CONTAINER)
    assert not printed["facts"]["bounded"] and printed["left"] == [] and stderr == ""


NO_LANDLOCK = {"deny": ["landlock_create_ruleset"]}
NO_SECCOMP = {"no_filters": True}


@pytest.mark.parametrize(("where", "text"), [
    (NO_LANDLOCK, "the sandbox needs Landlock, which this machine does not give (Function not implemented): Linux 5.13 or "
        "newer with Landlock switched on, and a container that lets it through; or say unsafe, and programs can read and "
        "write this user's files"),
    # as somebody who can't mount, whose folder is on disk
    ({"deny": ["landlock_restrict_self"], "uid": 54_321}, "the sandbox needs Landlock, which this machine does not give (Function not "
        "implemented): Linux 5.13 or newer with Landlock switched on, and a container that lets it through; or say unsafe, "
        "and programs can read and write this user's files"),
    (NO_SECCOMP, "the sandbox needs seccomp, which this machine does not give (Operation not permitted): Linux on x86-64 or "
        "AArch64, and a container that lets seccomp filters through; or say unsafe, and programs can start processes, open "
        "connections and signal this user's processes"),
], ids=["landlock", "landlock-restrict", "seccomp"])  # fmt: skip
def test_refused_in_one_line(where: dict[str, Any], text: str, tmp_path: Path) -> None:
    printed, _ = elsewhere(where, [SOLUTION], tmp_path)
    assert printed == {"error": text, "left": []}


@pytest.mark.parametrize(("where", "line"), [
    (NO_LANDLOCK, "codetitan: sandbox: unsafe: no Landlock: programs can read and write this user's files\n"),
    ({"deny": ["landlock_restrict_self"]},
        "codetitan: sandbox: unsafe: no Landlock: programs can read and write this user's files\n"),
    (NO_SECCOMP, "codetitan: sandbox: unsafe: no seccomp: programs can start processes, open connections and signal this "
        "user's processes\n"),
], ids=["landlock", "landlock-restrict", "seccomp"])  # fmt: skip
def test_unsafe_runs_with_what_there_is(where: dict[str, Any], line: str, tmp_path: Path) -> None:
    wrong = {**SOLUTION, "source": CHEATS["exit in the middle"][0]}
    printed, stderr = elsewhere({**where, "unsafe": True}, [SOLUTION, wrong], tmp_path)
    assert [printed["verdicts"][place][0] for place in ("0", "1")] == ["passed", "error"]
    assert stderr == line

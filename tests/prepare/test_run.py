"""From raw code to a corpus, as a user starts it: what stays, why the rest does not, the same bytes again."""

import hashlib
import importlib.util
import json
import pickle
import random
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from codetitan.cli import main
from codetitan.data.document import Document
from codetitan.data.sources.open import Directory, Jsonl, Parquet, PythonStdlib, open_source
from codetitan.prepare.config import Prepare, read_config
from codetitan.prepare.readers.checkouts import unnamed
from codetitan.prepare.readers.open import open_reader
from codetitan.prepare.report.why import why
from codetitan.prepare.rules.paths import Paths
from codetitan.prepare.run import stages
from codetitan.prepare.stages.read import Read
from codetitan.prepare.tables import rows

_MIT = """MIT License

Copyright (c) 2020 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def code(seed: int, lines: int = 60) -> str:
    """A file like no other."""
    draw = random.Random(seed)

    def word() -> str:
        return "".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(7))

    return "".join(f"def {word()}(value):\n    return {word()}(value) + {word()}\n" for _ in range(lines // 2))


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two repositories under the MIT licence, one under the GPL, one without; a vendored folder, copies, a key."""
    root = tmp_path_factory.mktemp("raw")
    files = {
        "good/LICENSE": _MIT, "good/a.py": code(1), "good/b.py": code(2), "good/vendor/x.py": code(3),
        "good/mail.py": code(4) + 'AUTHOR = "jane.doe@company-mail.net"\n',
        "other/LICENSE": _MIT, "other/copy.py": code(1), "other/near.py": code(2) + "last = first\n",
        "other/own.py": code(5),
        "gpl/setup.cfg": "[metadata]\nlicense = GPL-3.0-only\n", "gpl/g.py": code(6),
        "bare/n.py": code(7),
    }  # fmt: skip
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def prepared(raw: Path, output: Path, *words: str) -> int:
    config = output.parent / "prepare.toml"
    config.write_text(f'[[prepare.sources]]\ntype = "directory"\npath = "{raw}"\nrepo_depth = 1\n')
    return main(["prepare", "--config", str(config), "--output", str(output), "--prepare.shards", "3", *words])


def digests(output: Path) -> dict[str, str]:
    files = [path for name in ("corpus", "dropped", "licences") for path in sorted((output / name).iterdir())]
    return {str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def output(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    output = tmp_path_factory.mktemp("prepared") / "out"
    assert prepared(raw, output) == 0
    yield output


def corpus(output: Path) -> dict[str, dict[str, object]]:
    found = [row for path in sorted((output / "corpus").iterdir()) for row in rows(path)]
    return {f"{row['repo']}/{row['path']}": row for row in found}


def test_what_stays(output: Path) -> None:
    found = corpus(output)
    assert sorted(found) == ["good/a.py", "good/b.py", "good/mail.py", "other/own.py"]
    row = found["good/a.py"]
    assert (row["licence"], row["licence_from"], row["language"]) == ("MIT", "LICENSE: MIT", "python")
    assert row["sha256"] == hashlib.sha256(code(1).encode()).hexdigest() and row["n_bytes"] == len(code(1))
    assert "<EMAIL>" in str(found["good/mail.py"]["content"]) and "jane" not in str(found["good/mail.py"]["content"])
    assert [path.read_text() for path in (output / "licences").iterdir()] == [_MIT]


def test_why_the_rest_does_not(output: Path) -> None:
    names = ("x.py", "copy.py", "near.py", "g.py", "n.py")
    assert {name: next(iter(why(output, name))).partition(": ")[2] for name in names} == {
        "x.py": "dropped by paths: vendored path (vendor/x.py; pattern vendor/)",
        "copy.py": "dropped by exact_duplicates: the same text: good/a.py is kept, Jaccard similarity 1.00",
        "near.py": "dropped by near_duplicates: nearly the same text: good/b.py is kept, Jaccard similarity 0.99",
        "g.py": "dropped by licences: copyleft licence (GPL-3.0-only; permissive = bronze)",
        "n.py": "dropped by licences: no licence",
    }
    assert "9 files read" in (output / "report.md").read_text()


def test_training_takes_it_as_it_is(output: Path) -> None:
    source = open_source(Parquet(path=str(output / "corpus")))
    documents = [source.read(i) for i in range(len(source))]
    assert sorted(d.path for d in documents if isinstance(d, Document)) == ["a.py", "b.py", "mail.py", "own.py"]
    assert {(d.repo, d.licence) for d in documents if isinstance(d, Document)} == {("good", "MIT"), ("other", "MIT")}


def test_json_lines_hold_the_same(raw: Path, output: Path, tmp_path: Path) -> None:
    assert prepared(raw, tmp_path / "out", "--prepare.format", "jsonl") == 0
    lines = [line for path in sorted((tmp_path / "out" / "corpus").iterdir()) for line in path.read_text().splitlines()]
    assert [json.loads(line) for line in lines] == [
        row for path in sorted((output / "corpus").iterdir()) for row in rows(path)
    ]
    source, table = (
        open_source(kind(path=str(out / "corpus"))) for kind, out in ((Jsonl, tmp_path / "out"), (Parquet, output))
    )
    documents, others = ([s.read(i) for i in range(len(s))] for s in (source, table))
    assert all(isinstance(one, Document) for one in documents)
    assert [replace(one, source="") for one in documents] == [replace(other, source="") for other in others]
    for name in ("a.py", "b.py", "x.py", "near.py"):
        assert list(why(tmp_path / "out", name)) == list(why(output, name))
    assert (tmp_path / "out" / "report.html").exists()


def test_a_language_has_its_share_of_all(tmp_path: Path) -> None:
    """Counted over all tasks, each of which knows its own part alone."""
    for number in range(40):
        (tmp_path / "raw" / f"{number}").mkdir(parents=True)
        (tmp_path / "raw" / f"{number}" / "LICENSE").write_text(_MIT)
        for file in range(30):
            end = "js" if file % 3 == 0 else "py"
            (tmp_path / "raw" / f"{number}" / f"{file}.{end}").write_text(code(100 * number + file, 20))
    words = ["--prepare.balance.enable", "true", "--prepare.balance.languages", '["python"]']
    assert prepared(tmp_path / "raw", tmp_path / "out", *words, "--prepare.balance.max_share", "0.5") == 0
    n = Counter(str(row["language"]) for row in corpus(tmp_path / "out").values())
    assert n["javascript"] == 400 and 360 < n["python"] < 440  # drawn, of 800
    assert next(iter(why(tmp_path / "out", "0/1.py"))).startswith(("0/1.py: dropped by balance: ", "0/1.py: in the "))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--prepare.sources", "directory:no/such"], 'prepare.sources: directory "no/such" does not exist; create it, or '
         "take the Python standard library with --prepare.sources python-stdlib"),
        (["--prepare.tokenizer", "nope"], 'prepare.tokenizer = "nope" is no folder with a tokenizer.json, no .json'),
        (["--prepare.contamination.strings", '["no.jsonl"]'], 'prepare.contamination.strings'),
        (["--prepare.executor", "ray"], 'prepare.executor.name = "ray" needs Ray: pip install ray'),
        (["--prepare.executor.name", "slurm", "--prepare.executor.partition", "cpu"],
         'prepare.executor.name = "slurm": there is no sbatch here'),
    ],
)  # fmt: skip
def test_keys_are_called_as_they_are_here(
    raw: Path,
    tmp_path: Path,
    words: list[str],
    error: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sources and tokenizers are training's, and so are their errors; and nothing is said or written before them."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else find_spec(name))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert prepared(raw, tmp_path / "out", *words) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"codetitan: error: {error}") and said.out == "" and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("key", "value"), [("tokenizer", "nope"), ("executor", "ray")])
def test_what_is_missing_is_said_before_anything_is_written(
    raw: Path, tmp_path: Path, key: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if key == "executor" and importlib.util.find_spec("ray") is not None:
        pytest.skip("Ray is installed")
    assert prepared(raw, tmp_path / "out", f"--prepare.{key}", value) == 2
    assert not (tmp_path / "out").exists() and f"prepare.{key}" in capsys.readouterr().err


def test_again(raw: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(output)
    assert prepared(raw, output) == 0
    assert "nothing is left to do" in capsys.readouterr().out and digests(output) == before


def test_what_says_a_licence_is_read_whatever_its_size(tmp_path: Path) -> None:
    """torch's list of what it has installed, by which its licence is known, has 1.5 MB; a vendored one counts not."""
    raw, folder = tmp_path / "raw", tmp_path / "task"
    for place in (raw / "site" / "LICENSE", raw / "site" / "vendor" / "COPYING"):
        place.parent.mkdir(parents=True)
        place.write_text(_MIT)
    folder.mkdir()
    config = Prepare(sources=[Directory(path=str(raw), repo_depth=1)], paths=Paths(max_bytes=100))
    Read.of(config, [open_reader(source) for source in config.sources]).run(0, folder)
    lines = [line for file in folder.glob("facts-*.jsonl") for line in file.read_text().split("\n") if line]
    found = [(root, list(facts["statements"])) for root, facts in map(json.loads, lines)]
    assert found == [(f"directory:{raw}:site", ["LICENSE"])]


def test_a_licence_holds_for_its_own_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a LICENSE in a folder nor one among rows is that of rows which name no repository."""
    raw, records = tmp_path / "raw", tmp_path / "rows.jsonl"
    raw.mkdir()
    (raw / "LICENSE").write_text(_MIT)
    (raw / "a.py").write_text(code(11))
    made = [{"path": "LICENSE", "content": _MIT}, {"path": "b.py", "content": code(12)}]
    records.write_text("".join(json.dumps(row) + "\n" for row in made))
    config = tmp_path / "prepare.toml"
    config.write_text("[prepare]\nshards = 1\n")
    words = ["prepare", "--config", str(config), "--output"]
    sources = f'["directory:{raw}", "jsonl:{records}"]'
    assert main([*words, str(tmp_path / "out"), "--prepare.sources", sources]) == 0
    assert list(corpus(tmp_path / "out")) == ["None/a.py"]
    assert list(why(tmp_path / "out", "b.py")) == ["b.py: dropped by licences: no licence"]
    capsys.readouterr()
    assert main([*words, str(tmp_path / "none"), "--prepare.sources", f"jsonl:{records}"]) == 2
    said = capsys.readouterr().err
    assert said == f"codetitan: error: nothing is kept of 2 files; {tmp_path}/none/report.md says why\n"


def test_a_folder_of_repositories_read_as_one_is_told(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "a" / ".git").mkdir(parents=True)
    (tmp_path / "b" / ".git").mkdir(parents=True)
    (line,) = unnamed([Directory(path=str(raw)), Directory(path=str(raw), repo_depth=1), PythonStdlib()])
    assert line.startswith(f'note: directory "{raw}" is read as one repository, but good, gpl, other in it look like')
    words = shlex.split(line.partition("such as ")[2])
    config = tmp_path / "prepare.toml"
    config.write_text("[prepare]\n")
    for given in (words, ["--prepare.sources.0.path", str(raw)]):  # the first is what is advised, then starcoder's own
        (source,) = read_config(config if given is words else Path("starcoder"), given).sources
        assert source == Directory(path=str(raw), repo_depth=1)
    for checkouts in (tmp_path, raw / "good"):
        assert not list(unnamed([Directory(path=str(checkouts))]))
    (tmp_path / "LICENSE").write_text(_MIT)
    for name in "cd":
        (tmp_path / name).mkdir()
        (tmp_path / name / "package.json").write_text("{}")
    assert not list(unnamed([Directory(path=str(tmp_path))]))  # packages of one repository


def test_stages_go_to_other_processes_as_they_are(raw: Path) -> None:
    """Also with a tokenizer that can't be sent, and without what was worked out of them before."""
    config = Prepare(sources=[Directory(path=str(raw))], tokenizer="code-32k")
    for stage in stages(config):
        sent = pickle.dumps(stage)
        inputs = stage.inputs()
        assert pickle.dumps(stage) == sent and pickle.loads(sent).inputs() == inputs, stage.name


@pytest.mark.slow
def test_the_same_bytes_from_other_workers_and_another_start(raw: Path, output: Path, tmp_path: Path) -> None:
    assert prepared(raw, tmp_path / "out", "--prepare.executor.workers", "3") == 0
    assert digests(tmp_path / "out") == digests(output)
    assert prepared(raw, tmp_path / "out", "--prepare.near_duplicates.similarity", "0.999") == 0
    assert "other/near.py" in corpus(tmp_path / "out")

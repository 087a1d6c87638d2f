"""`codetitan data …` as a user calls it."""

import json
import re
from pathlib import Path

import pytest

from codetitan.cli import main
from codetitan.data.document import Document
from codetitan.data.held_out import HeldOutConfig
from tests.conftest import REPOSITORY, codetitan

DEBUG = [
    "--config",
    "train_configs/debug.toml",
    "--training.global_batch_size",
    "24",
    "--training.local_batch_size",
    "3",
]


def test_digest(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)

    def digest(*arguments: str) -> list[str]:
        assert main(["data", "digest", *DEBUG, "--steps", "4", *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    lines = digest()
    assert [line.rsplit(" ", 1)[0] for line in lines] == ["step 1", "step 2", "step 3", "step 4", "total"]
    assert len({line.rsplit(" ", 1)[1] for line in lines}) == 5 and all(len(line.split()[-1]) == 64 for line in lines)
    assert digest("--dp-degree", "8", "--dataloader.workers", "0") == lines
    assert digest("--dp-degree", "4", "--resume-at", "2", "--resume-dp-degree", "3") == lines
    assert digest("--dataloader.seed", "7")[0] != lines[0]
    # Degrees that need several processes to train need none to look at the data.
    assert digest("--parallelism.tensor_parallel_degree", "2", "--parallelism.data_parallel_shard_degree", "4") == lines


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["digest", "--dp-degree", "5"],
         "--dp-degree 5 must divide training.global_batch_size = 24; fitting: 1, 2, 3, 4, 6, 8, 12, 24"),
        (["digest", "--steps", "0"], "--steps 0 must be at least 1"),
        (["digest", "--steps", "3", "--resume-at", "3"], "--resume-at 3 must be below --steps 3"),
        (["digest", "--resume-dp-degree", "3"], "--resume-dp-degree needs --resume-at STEP"),
        (["stats", "--plot", "x.doc"], "--plot x.doc must end in .png, .pdf or .svg"),
        (["inspect", "--rows", "0"], "--rows 0 must be at least 1"),
        (["inspect", "--html", "no/such/x.html"], "--html no/such/x.html can't be written: No such file or directory"),
        (["digest", "--dp-degree", "2", "--resume-at", "2", "--resume-dp-degree", "7"],
         "--resume-dp-degree 7 must divide training.global_batch_size = 24; fitting: 1, 2, 3, 4, 6, 8, 12, 24"),
        (["inspect", "--dataloader.sources", "jsonl:no.jsonl"], 'dataloader.sources: jsonl "no.jsonl" does not exist'),
    ],
)  # fmt: skip
def test_mistakes(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    code = main(["data", arguments[0], *DEBUG, *arguments[1:]])
    shown = capsys.readouterr()
    assert code == 2 and shown.out == ""
    assert shown.err.startswith(f"codetitan: error: {line}") and shown.err.count("\n") == 1


@pytest.fixture
def hostile(tmp_path: Path) -> list[str]:
    """A corpus that would like to talk to the terminal and to the browser."""
    (tmp_path / "a.js").write_text("\x1b]0;title\x07 <script>alert(1)</script> \u202e [bold]x[/bold]\n" * 8)
    switched_on = ["--dataloader.fim.rate", "1", "--dataloader.metadata.path", "1"]
    return ["--dataloader.sources", f"directory:{tmp_path}", *switched_on]


def test_inspect(hostile: list[str]) -> None:
    result = codetitan("data", "inspect", *DEBUG, *hostile, "--rows", "3")
    assert result.returncode == 0, result.stderr
    for word in (
        "step 1, row 2",
        "<filename>a.js",
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        "hole: ",
        "padding",
    ):
        assert word in result.stdout
    assert "\x1b]" not in result.stdout and "\u202e" not in result.stdout
    assert "\\x1b]0;title\\x07" in result.stdout and "[bold]x[/bold]" in result.stdout


def test_inspect_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(REPOSITORY)
    (tmp_path / "a.py").write_text('"""Doc «é»."""\nx = 1  # é中😀\n' * 4)
    page = tmp_path / "page.html"
    arguments = ["data", "inspect", *DEBUG, "--dataloader.sources", f"directory:{tmp_path}", "--rows", "1"]
    assert main([*arguments, "--kinds"]) == 0
    shown = capsys.readouterr().out
    assert "code  «comment …»  «docstring …»" in shown.splitlines()[0]
    assert '«docstring """Doc «é»."""' in shown and "x = 1  #«comment  é中😀»" in shown and "\ufffd" not in shown
    assert "% code, " in shown and "% docstring ═" in shown
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "«comment" not in shown and "docstring" not in shown.splitlines()[0]
    assert main([*arguments, "--kinds", "--html", str(page)]) == 0
    text = page.read_text()
    assert "«comment" not in text and {"color: #008000", "color: #808000"} <= set(re.findall("color: #[0-9a-f]+", text))
    assert text.count("> é中😀</span>") >= 4


def test_inspect_as_a_page(hostile: list[str], tmp_path: Path) -> None:
    page = tmp_path / "rows.html"
    result = codetitan("data", "inspect", *DEBUG, *hostile, "--html", str(page))
    assert (result.returncode, result.stdout) == (0, f"{page}\n"), result.stderr
    text = page.read_text()
    assert "&lt;script&gt;" in text and "<script>" not in text and "\x1b" not in text
    assert text.count("color:") > 5  # the roles are told apart


def test_stats_of_hostile_records(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x = 1", "license": "[/MIT] [red]"}\n' * 50)
    source = ["--dataloader.sources", f"jsonl:{tmp_path}/a.jsonl", "--dataloader.metadata.path", "1"]
    result = codetitan("data", "stats", *DEBUG, *source, "--steps", "1")
    assert result.returncode == 0, result.stderr
    assert "[/MIT] [red]" in result.stdout


def test_stats(tmp_path: Path) -> None:
    plot = tmp_path / "corpus.png"
    result = codetitan("data", "stats", *DEBUG, "--documents", "100", "--steps", "2", "--plot", str(plot))
    assert result.returncode == 0, result.stderr
    for word in (
        "python-stdlib: 100 documents",
        "lengths in tokens",
        "PSF-2.0",
        "left out",
        "2 steps: 48 samples",
        "% padding",
    ):
        assert word in result.stdout
    assert "psm random" in result.stdout
    assert plot.read_bytes().startswith(b"\x89PNG") and plot.stat().st_size > 10_000


def test_digest_says_where_the_data_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    (tmp_path / "a.py").write_text("x = 1\n" * 100)
    source = f'[{{type="directory",path="{tmp_path}",epochs=1}}]'
    code = main(["data", "digest", *DEBUG, "--dataloader.sources", source])
    shown = capsys.readouterr()
    steps = sum(line.startswith("step ") for line in shown.out.splitlines())
    assert code == 2 and 1 <= steps < 10 and "total" not in shown.out
    assert shown.err == (
        "codetitan: error: dataloader.sources: every source has served its epochs after "
        f"{steps} steps; lower --steps 10\n"
    )


def test_held_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(REPOSITORY)
    file, held_out = tmp_path / "held-out.jsonl", ["--validation.share", "0.02", "--validation.by", "document"]
    assert main(["data", "held-out", *DEBUG, "--output", str(file), *held_out]) == 0
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert f"{len(records)} documents of 731 held out" in capsys.readouterr().out
    config = HeldOutConfig(share=0.02, by="document")
    assert records and all(config.holds_out(Document("", "", record["text"])) for record in records)
    assert main(["data", "held-out", *DEBUG, "--output", str(tmp_path)]) == 2
    assert "validation.share = 0.0: nothing is held out; set it" in capsys.readouterr().err
    assert main(["data", "held-out", *DEBUG, "--output", str(tmp_path), *held_out]) == 2
    assert f"--output {tmp_path} can't be written: Is a directory" in capsys.readouterr().err

"""The table [prepare]: an executor by one word, whichever layer says it."""

import re
from pathlib import Path

import pytest

from codetitan.config.load import find, load
from codetitan.config.render import render_tables
from codetitan.errors import ConfigError
from codetitan.prepare.config import Root, read_config
from codetitan.prepare.engine.tables import How, Local, Ray, Slurm


def executor(folder: Path, text: str, *words: str, base: str = "") -> How:
    (folder / "base.toml").write_text(base)
    (folder / "mine.toml").write_text(f'extends = "base.toml"\n{text}\n')
    sources = ("--prepare.sources", "python-stdlib", "--prepare.contamination.humaneval", "false")
    return read_config(folder / "mine.toml", [*sources, *words]).executor


def test_a_word_is_a_table(tmp_path: Path) -> None:
    word, table = '[prepare]\nexecutor = "ray"', '[prepare.executor]\nname = "ray"'
    assert executor(tmp_path, word) == executor(tmp_path, table) == Ray()
    assert executor(tmp_path, "", "--prepare.executor", "local", base=word) == Local()
    partition = ("--prepare.executor.partition", "cpu")
    assert executor(tmp_path, "", "--prepare.executor", "slurm", *partition) == Slurm(partition="cpu")
    # A table over a word adds to it, as it does to a table: it would silently be another executor else.
    for base in (word, table):
        assert executor(tmp_path, "[prepare.executor]\nworkers = 3", base=base) == Ray(workers=3)
        assert executor(tmp_path, "", "--prepare.executor.workers", "3", base=base) == Ray(workers=3)
        assert executor(tmp_path, '[prepare.executor]\nname = "local"\nworkers = 2', base=base) == Local(workers=2)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('executor = "locl"', 'prepare.executor.name = "locl" (mine.toml) must be one of local, ray, slurm; did you mean "local"?'),
        ('executor = "slurm"',
         'prepare.executor.partition = "" must be named, such as executor = {name = "slurm", partition = "cpu"}'),
        ('executor = {name = "slurm", partition = "cpu", cpus = 0}', "prepare.executor.cpus = 0 must be above 0, and finite"),
        ("executor = 3", 'prepare.executor = 3 (mine.toml) must be a table with the key "name"'),
        ("shards = 100_001", "prepare.shards = 100001 must not be above 100000: each is a file, and a task"),
        ("line_count = {min_lines = 5, max_lines = 3}", "prepare.line_count.min_lines = 5 must not be above max_lines = 3"),
        ("data_files = {min_characters = 5, max_characters = 3}",
         "prepare.data_files.min_characters = 5 must not be above max_characters = 3"),
        ('quality = {enable = true, function = "json:nothing"}',
         'prepare.quality.function = "json:nothing": json has no function nothing'),
        ('executor = {name = "ray", memory_gb = inf}', "prepare.executor.memory_gb = inf must be above 0, and finite"),
        ('paths = "x"', 'prepare.paths = "x" (mine.toml) must be a table'),
    ],
)  # fmt: skip
def test_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        executor(tmp_path, f"[prepare]\n{text}")
    assert str(error.value) == line


def test_it_is_printed_as_toml_that_means_the_same(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "starcoder.toml"\n[prepare.long_lines]\nmax_longest = 2000\n')
    tree = load(find(tmp_path / "mine.toml"), ["--prepare.executor", "ray"])
    text = render_tables(Root.of(tree), tree)
    lines = {" ".join(line.split()) for line in text.splitlines()}
    assert {
        'name = "ray" # command line',
        "cpus = 1 # default",
        "max_lines = 100000 # prepare_configs/starcoder.toml",
    } <= lines
    assert any(re.fullmatch("max_longest = 2000 # .*mine.toml", line) for line in lines)
    (tmp_path / "printed.toml").write_text(text)
    assert Root.of(load(find(tmp_path / "printed.toml"))) == Root.of(tree)


def test_a_run_is_no_preparation() -> None:
    with pytest.raises(
        ConfigError, match=r"^debug: no table \[prepare\]; `codetitan config --config starcoder` shows one$"
    ):
        read_config(Path("debug"))

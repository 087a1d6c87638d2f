"""`type = "commits"`: what a commit did to a file, as CommitPack has it.

A row is a file of a commit (bigcode/commitpack, bigcode/commitpackft: commit, old_file, new_file, old_contents,
new_contents, subject, message, lang, license, repos).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from codetitan.data.document import Dropped
from codetitan.data.order import key, uniform
from codetitan.data.sources.records import language_of_record, word
from codetitan.prepare.documents.changes import Span, changed
from codetitan.prepare.documents.values import number_of, text_of
from codetitan.prepare.file import Drop, File, Refused
from codetitan.prepare.readers.rows import BROKEN, RowReader
from codetitan.prepare.rules.checks import check_at_least, check_share

RULE = "commits"
_AUTOMATIC = ("auto commit", "update contributing", "<?xml")
_EMPTY_WORDS = {
    "readme", "update", "dummy", "updated", "debug", "test", "update readme", "update readme.md", "updated readme.md",
    "updated readme",
}  # fmt: skip
_VERSION = re.compile(r"v?\d+\.\d+\.\d+(?=$|\S)")
_DATA = ("json", "yaml", "xml", "html")
_WORD_CHARACTERS = 20  # on average: a message of longer words is one of hashes


@dataclass(kw_only=True, slots=True)
class Commits:
    """`type = "commits"`: Parquet or JSON Lines with a file of a commit a row.

    Left out are files that the commit removes or leaves as they are, long ones, and messages that say nothing: none,
    automatic ones, versions, hashes. Of small and large changes, short messages and data a share is drawn. What stays
    is `commit_before`, `commit_msg` and `commit_after`: the file whole, or the lines from the first change to the last
    with some around them. Draws depend on the commit and the path alone.

    Source: StarCoder, arXiv 2305.06161, §3.4 and §5.1 for all numbers; bigcode-dataset,
    preprocessing/filtering_git_commits.ipynb, for the words. Differs: a change is as long as it is in the longer
    version, where there only the lines of the old one count, so that what is only added is small.
    """

    path: str
    """A file, or a folder: every *.parquet, *.jsonl and *.jsonl.gz below it."""

    message: Literal["subject", "message"] = "subject"
    """What is said of the commit: its first line, or all of it."""

    max_characters: int = 100_000
    """Of a file before and after."""

    small_lines: int = 2
    """Changes of so many lines, or fewer, are small."""

    large_lines: int = 200
    """Changes of so many lines, or more, are large."""

    kept_small: float = 0.1
    """The share of small changes that stays."""

    kept_large: float = 0.1
    """The share of large changes that stays."""

    short_words: int = 5
    """Subjects of fewer words are short."""

    kept_short: float = 0.5
    """The share of short subjects that stays."""

    kept_data: float = 0.5
    """The share of files in JSON, YAML, XML and HTML that stays."""

    whole: float = 0.2
    """The share of files that are shown whole."""

    context_lines: int = 32
    """Of the others fewer lines than this are shown before the change and after it, how many is drawn."""

    def __post_init__(self) -> None:
        for name in ("max_characters", "context_lines"):
            check_at_least(name, getattr(self, name), 1)
        for name in ("small_lines", "large_lines", "short_words"):
            check_at_least(name, getattr(self, name), 0)
        for name in ("kept_small", "kept_large", "kept_short", "kept_data", "whole"):
            check_share(name, getattr(self, name))


class CommitReader(RowReader):
    """Commits in rows; a unit is a file of them.

    Args:
        config: what is read.

    Raises:
        ConfigError: there is no such file, or the first has no columns of contents.
    """

    def __init__(self, config: Commits) -> None:
        self._config = config
        needs = {"what a file was": ["old_contents"], "what it became": ["new_contents"]}
        super().__init__("commits", config.path, needs)

    def read(self, unit: int) -> Iterator[File | Dropped | Refused]:
        """Yields the commits of a unit; see `Reader`."""
        for where, row in self.rows(unit):
            if row is None:
                yield Dropped(self.name, where, BROKEN)
            elif not all(isinstance(row.get(name) or "", str) for name in ("old_contents", "new_contents")):
                yield Dropped(self.name, where, "text is no string")
            else:
                yield self._commit(row, where)

    def _commit(self, row: Mapping[str, Any], where: str) -> File | Refused:
        config = self._config
        path = word(row.get("new_file")) or word(row.get("old_file"))
        name = word(row.get("commit"))
        old, new = text_of(row.get("old_contents")), text_of(row.get("new_contents"))
        subject = text_of(row.get("subject")) or text_of(row.get("message")).partition("\n")[0]
        repos = text_of(row.get("repos")) or text_of(row.get("repo"))
        file = File(
            self.name,
            word(repos.split(",")[0].strip()),  # of forks, and of others that have the same commit
            f"commit/{name}/{path}" if name and path else where,
            new,
            language_of_record(row.get("lang"), path, new),
            word(row.get("license")) or word(row.get("licence")),
            number_of(row, "stars"),
        )
        draw = key(RULE, name or where, path or "")
        before, after = old.split("\n"), new.split("\n")
        spans = changed(before, after)
        message = (subject if config.message == "subject" else text_of(row.get("message"))).strip()
        drop = self._empty(old, new, subject) or self._drawn(file.language, subject, spans, draw)
        if drop is not None:
            return Refused(file, drop)
        if uniform(draw, 3) >= config.whole:
            above, below = (int(uniform(draw, i) * config.context_lines) for i in (4, 5))
            old, new = ("\n".join(s.widened(above, below, of)) for s, of in zip(spans, (before, after), strict=True))
        return file.with_parts([("commit_before", old), ("commit_msg", message), ("commit_after", new)])

    def _empty(self, old: str, new: str, subject: str) -> Drop | None:
        """Returns why a commit is not read at all."""
        most, words = self._config.max_characters, subject.split()
        said = " ".join(words).lower()
        if not new:
            return Drop(RULE, "file removed")
        if old == new:
            return Drop(RULE, "nothing changed")
        if (n := max(len(old), len(new))) > most:
            return Drop(RULE, "long file", n, most)
        if not words:
            return Drop(RULE, "no message")
        if said in _EMPTY_WORDS or any(part in said for part in _AUTOMATIC):
            return Drop(RULE, "message that says nothing", subject)
        if _VERSION.match(said):
            return Drop(RULE, "message of a version", subject)
        if (n_mean := len(subject) / len(words)) > _WORD_CHARACTERS:
            return Drop(RULE, "message of no words", n_mean, _WORD_CHARACTERS)
        return None

    def _drawn(self, language: str, subject: str, spans: tuple[Span, Span], draw: int) -> Drop | None:
        """Returns why a commit of a kind of which there are many is left out."""
        config = self._config
        n_lines, n_words = max(span.stop - span.start for span in spans), len(subject.split())
        for is_one, share, number, reason in (
            (n_lines <= config.small_lines, config.kept_small, 0, "small change, not drawn"),
            (n_lines >= config.large_lines, config.kept_large, 0, "large change, not drawn"),
            (n_words < config.short_words, config.kept_short, 1, "short message, not drawn"),
            (language in _DATA, config.kept_data, 2, "data file, not drawn"),
        ):
            if is_one and uniform(draw, number) >= share:
                return Drop(RULE, reason, n_words if number == 1 else language if number == 2 else n_lines, share)
        return None

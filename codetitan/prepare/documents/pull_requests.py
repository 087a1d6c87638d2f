"""`type = "pull_requests"`: what was proposed, the code that it changes, and what was said of it.

No public dump holds that: StarCoder2 joined GH Archive's events with Software Heritage's files. So the rows are of our
own schema, which has what its format shows; docs/prepare.md has an example.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codetitan.data.document import Dropped
from codetitan.data.language import language_of
from codetitan.data.order import key, uniform
from codetitan.data.sources.records import word
from codetitan.prepare.documents.changes import changed
from codetitan.prepare.documents.emails import without_email
from codetitan.prepare.documents.people import anonymous, cut_lines, is_bot
from codetitan.prepare.documents.values import lines_of, number_of, text_of
from codetitan.prepare.documents.versions import Version, hunks, versions_of
from codetitan.prepare.file import Drop, File, Refused
from codetitan.prepare.readers.rows import BROKEN, RowReader
from codetitan.prepare.rules.checks import check_at_least, check_share

RULE = "pull_requests"
_NO_TITLES = ("depend", "release")  # "dependencies" and "dependency" begin so
_NO_TEXTS = ("Qwiet",)
_TITLE, _TEXT = 500, 1000  # characters
_LINES, _LAST = 80, 20
_CUT = "[TRUNCATED]"
_HUNK = 10_000  # characters of one that a comment is about
_HUNK_CONTEXT = (3, 10)  # lines, how many is drawn
_KINDS = ("comment", "review", "review_comment")
_STATES = {"changes_requested": "changes_required"}  # GitHub's word, and StarCoder2's
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)

Pairs = list[tuple[str, str]]


@dataclass(kw_only=True, slots=True)
class PullRequests:
    """`type = "pull_requests"`: Parquet or JSON Lines with a pull request a row.

    Left out are those of bots, with a title or a description that says little, that were neither approved nor merged,
    and of which no changed file is left: added and removed files and such as are no code by their lines are not shown.
    Bots' comments and short ones go, what e-mail programs add, and the middle of long texts. Logins become username_0,
    username_1, …

    Source: StarCoder2, arXiv 2402.19173, §2.3 and §5.2, for all numbers and the order. Differs: a row has one head, so
    that there is one diff; the repository's name is metadata, as of all documents; a repository's pull requests are not
    thinned, nor YAML and JSON; files are not dropped for a quarter of hexadecimal digits, which most words have, nor
    Markdown for not being English. Comments of HTML, which templates are full of, are nobody's words.
    """

    path: str
    """A file, or a folder: every *.parquet, *.jsonl and *.jsonl.gz below it."""

    max_characters: int = 100_000
    """Of the document; longer ones are left out."""

    min_title: int = 10
    """Characters of the title, at least."""

    min_text: int = 20
    """Characters of the description, and of a comment that is no review, at least."""

    whole: float = 0.2
    """The share of base files that are shown whole."""

    context_lines: int = 32
    """Of the others fewer lines than this are shown before what is changed and after it, how many is drawn."""

    def __post_init__(self) -> None:
        for name in ("max_characters", "context_lines"):
            check_at_least(name, getattr(self, name), 1)
        for name in ("min_title", "min_text"):
            check_at_least(name, getattr(self, name), 0)
        check_share("whole", self.whole)


class PullRequestReader(RowReader):
    """Pull requests in rows; a unit is a file of them.

    Args:
        config: what is read.

    Raises:
        ConfigError: there is no such file, or the first has no columns of a title, files and events.
    """

    def __init__(self, config: PullRequests) -> None:
        self._config = config
        needs = {"titles": ["title"], "changed files": ["files"], "events": ["events"]}
        super().__init__("pull_requests", config.path, needs)

    def read(self, unit: int) -> Iterator[File | Dropped | Refused]:
        """Yields the pull requests of a unit; see `Reader`."""
        for where, row in self.rows(unit):
            if row is None:
                yield Dropped(self.name, where, BROKEN)
            else:
                yield self._request(row, where)

    def _request(self, row: Mapping[str, Any], where: str) -> File | Refused:
        known, repo = number_of(row, "number"), word(row.get("repo"))
        versions = versions_of(row.get("files"))
        sizes: dict[str, int] = {}
        for version in versions:
            language = language_of(version.path, "\n".join(version.base))
            sizes[language] = sizes.get(language, 0) + sum(map(len, version.base))
        file = File(
            self.name,
            repo,
            where if known is None else f"pull/{known}",
            "",
            min(sizes, key=lambda name: (-sizes[name], name), default="other"),
            word(row.get("license")) or word(row.get("licence")),
            number_of(row, "stars"),
        )
        # What is changed is shown in any case: of so much no diff is made, which takes long.
        n = sum(len(line) for each in versions for line in changed(each.base, each.head)[0].of(each.base))
        if n <= self._config.max_characters:
            draw = key(RULE, repo or "", where if known is None else known)
            file = file.with_parts(self._parts(row, versions, draw))
        drop = self._drop(row, versions, max(n, len(file.text)))
        return file if drop is None else Refused(file, drop)

    def _drop(self, row: Mapping[str, Any], versions: list[Version], n: int) -> Drop | None:
        config = self._config
        author, title, text = text_of(row.get("author")), _title(row), _without_comments(row.get("text"))
        if is_bot(author):
            return Drop(RULE, "opened by a bot", author)
        if len(title) < config.min_title:
            return Drop(RULE, "short title", len(title), config.min_title)
        if any(part in title.lower() for part in _NO_TITLES):
            return Drop(RULE, "title of dependencies or a release", title)
        if len(text) < config.min_text:
            return Drop(RULE, "short description", len(text), config.min_text)
        if any(part in text for part in _NO_TEXTS):
            return Drop(RULE, "description of a program's")
        events = _events(row)
        if events and all(is_bot(text_of(event.get("author"))) for event in events):
            return Drop(RULE, "nobody but bots", len(events))
        if row.get("merged") is not True and all(_state(event) != "approved" for event in events):
            return Drop(RULE, "neither approved nor merged")
        if not versions:
            return Drop(RULE, "no changed file to show")
        if n > config.max_characters:
            return Drop(RULE, "long pull request", n, config.max_characters)
        return None

    def _parts(self, row: Mapping[str, Any], versions: list[Version], draw: int) -> Pairs:
        opened = text_of(row.get("author"))
        events = [event for event in _events(row) if not is_bot(text_of(event.get("author")))]
        logins = [opened, *(text_of(event.get("author")) for event in events)]
        texts = [
            _title(row)[:_TITLE],
            _shortened(row.get("text")),
            *(_shortened(event.get("text")) for event in events),
        ]
        names, (title, text, *said) = anonymous(logins, texts)
        parts: Pairs = [("pr", f"Title: {title}\n{names[0]}: {text}"), ("pr_status", "opened"), ("pr_base", "")]
        for number, version in enumerate(versions):
            parts += [("pr_file", version.path), ("pr_base_code", self._base(version, draw, 4 * number))]
        parts.append(("pr_diff", ""))
        for number, version in enumerate(versions):
            low, high = _HUNK_CONTEXT
            context = low + int(uniform(draw, 4 * number + 3) * (high - low + 1))
            parts += [("pr_file", version.path), *(("pr_diff_hunk", hunk) for hunk in hunks(version, context))]
        for event, name, text in zip(events, names[1:], said, strict=True):
            parts += self._event(event, name, text)
        if row.get("status") == "closed" or row.get("merged") is True:
            closed = [("pr", names[0]), ("pr_status", "closed"), ("pr_is_merged", str(row.get("merged") is True))]
            parts += closed
        return parts

    def _base(self, version: Version, draw: int, number: int) -> str:
        """Returns the file before, or what of it is changed, with lines around that."""
        if uniform(draw, number) < self._config.whole:
            return "\n".join(version.base)
        above, below = (int(uniform(draw, number + i) * self._config.context_lines) for i in (1, 2))
        span, _ = changed(version.base, version.head)
        return "\n".join(span.widened(above, below, version.base))

    def _event(self, event: Mapping[str, Any], name: str, text: str) -> Pairs:
        """Returns the parts of a comment, a review, or a comment of a review; none where too little is said."""
        kind, said = event["type"], f"{name}: {text}" if text else name
        known = [("pr_event_id", str(id_))] if (id_ := number_of(event, "id")) is not None else []
        if kind == "review":
            return [("pr_review", f"{said}\n"), *known, ("pr_review_state", _state(event))]
        if kind == "comment":
            return [] if len(text) < self._config.min_text else [("pr_comment", said), *known]
        if not text:
            return []
        parts: Pairs = [("pr_review_comment", ""), *known]
        for column, part in (
            ("review_id", "pr_in_reply_to_review_id"),
            ("in_reply_to", "pr_in_reply_to_comment_id"),
        ):
            if (other := number_of(event, column)) is not None:
                parts.append((part, str(other)))
        if path := text_of(event.get("path")):
            parts.append(("pr_file", path))
        if (line := number_of(event, "line")) is not None:
            parts.append(("pr_diff_hunk_comment_line", str(line)))
        hunk = lines_of(event.get("diff_hunk"))
        if hunk and len(hunk) <= _HUNK:
            parts.append(("pr_diff_hunk", hunk))
        return [*parts, ("pr_comment", said)]


def _title(row: Mapping[str, Any]) -> str:
    return " ".join(text_of(row.get("title")).split())


def _without_comments(value: object) -> str:
    return _COMMENT.sub("", without_email(lines_of(value))).strip()


def _shortened(value: object) -> str:
    return cut_lines(_without_comments(value), _LINES, _LAST, _CUT)[:_TEXT]


def _events(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = row.get("events")
    events = [event for event in found if isinstance(event, dict)] if isinstance(found, list) else []
    return [event for event in events if event.get("type") in _KINDS]


def _state(event: Mapping[str, Any]) -> str:
    state = text_of(event.get("state")).lower()
    return _STATES.get(state, state) or "commented"

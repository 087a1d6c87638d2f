"""`type = "issues"`: conversations about issues, as The Stack's GitHub issues have them.

A row is an issue, with a list of events (bigcode/the-stack-github-issues: repo, issue_id, issue_number, pull_request,
events of action, author, text, title and type). GH Archive's own files are not read: the events of an issue are spread
over years of hours there, and have to be brought together by (repository, number) into such rows first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codetitan.data.document import Dropped
from codetitan.data.sources.records import word
from codetitan.prepare.documents.emails import without_email
from codetitan.prepare.documents.people import Turn, anonymous, cut_lines, said, with_texts, without_bots
from codetitan.prepare.documents.values import lines_of, number_of, text_of
from codetitan.prepare.file import Drop, File, Refused
from codetitan.prepare.readers.rows import BROKEN, RowReader
from codetitan.prepare.rules.checks import check_at_least

RULE = "issues"
_LAST = 20  # lines of a long comment that are kept at its end
_CUT = "[Truncated]"


@dataclass(kw_only=True, slots=True)
class Issues:
    """`type = "issues"`: Parquet or JSON Lines with an issue a row, its events in a column `events`.

    Comments that came by e-mail lose what the program added; long ones their middle; bots are left out. What is left
    must have `min_characters`, and be said by two people, or by one in few words and turns. Logins become username_0,
    username_1, … The language is not asked: neither StarCoder nor StarCoder2 leaves out issues that are not English.

    Source: StarCoder §3.3 and StarCoder2 §2.2 (200 and 7000 characters, 10 events, 100 lines of which the last 20
    stay); bigcode-dataset, preprocessing/filtering_issues.py, has 80 lines.
    """

    path: str
    """A file, or a folder: every *.parquet, *.jsonl and *.jsonl.gz below it."""

    min_characters: int = 200
    """Issues in which less is said are left out."""

    max_lines: int = 100
    """Of a comment; of a longer one the first and the last 20 stay."""

    max_characters_alone: int = 7000
    """The most that one person may say alone."""

    max_events_alone: int = 10
    """The most that one person may do alone."""

    pull_requests: bool = True
    """Whether conversations of pull requests are issues, too, as they were for StarCoder; not so for StarCoder2."""

    def __post_init__(self) -> None:
        check_at_least("min_characters", self.min_characters, 0)
        check_at_least("max_lines", self.max_lines, _LAST + 1)
        check_at_least("max_characters_alone", self.max_characters_alone, 0)
        check_at_least("max_events_alone", self.max_events_alone, 1)


class IssueReader(RowReader):
    """Issues in rows; a unit is a file of them.

    Args:
        config: what is read.

    Raises:
        ConfigError: there is no such file, or the first has no column of events.
    """

    def __init__(self, config: Issues) -> None:
        self._config = config
        super().__init__("issues", config.path, {"events": ["events"]})

    def read(self, unit: int) -> Iterator[File | Dropped | Refused]:
        """Yields the issues of a unit; see `Reader`."""
        for where, row in self.rows(unit):
            if row is None:
                yield Dropped(self.name, where, BROKEN)
            elif not isinstance(row.get("events"), list):
                yield Dropped(self.name, where, "no events")
            else:
                yield self._issue(row, where)

    def _issue(self, row: Mapping[str, Any], where: str) -> File | Refused:
        config = self._config
        known = number_of(row, "issue_number", "issue_id", "number")
        turns, title = _turns(row["events"], config.max_lines)
        people = without_bots(turns)
        file = File(
            self.name,
            _repo(row),
            where if known is None else f"issues/{known}",
            "",
            "markdown",
            stars=number_of(row, "stars"),
        ).with_parts(_parts(people, title))
        drop = self._drop(row, turns, people)
        return file if drop is None else Refused(file, drop)

    def _drop(self, row: Mapping[str, Any], turns: list[Turn], people: list[Turn]) -> Drop | None:
        config = self._config
        if row.get("pull_request") and not config.pull_requests:
            return Drop(RULE, "conversation of a pull request")
        if turns and not people:
            return Drop(RULE, "nobody but bots", len(turns))
        n = said(people)
        if n < config.min_characters:
            return Drop(RULE, "short issue", n, config.min_characters)
        if len({turn.author for turn in people}) > 1:
            return None
        if n > config.max_characters_alone:
            return Drop(RULE, "one person, many words", n, config.max_characters_alone)
        if len(people) > config.max_events_alone:
            return Drop(RULE, "one person, many events", len(people), config.max_events_alone)
        return None


def _repo(row: Mapping[str, Any]) -> str | None:
    """Returns OWNER/NAME; some dumps have the owner in a column of its own."""
    repo, owner = word(row.get("repo")), word(row.get("org"))
    return f"{owner}/{repo}" if repo and owner and "/" not in repo else repo


def _turns(events: list[Any], max_lines: int) -> tuple[list[Turn], str]:
    """Returns what was done, and the title of the issue, which is in each event: the first that is one."""
    turns: list[Turn] = []
    title = ""
    for event in events:
        if not isinstance(event, dict):
            continue
        title = title or " ".join(text_of(event.get("title")).split())
        action = text_of(event.get("action")) or "created"
        is_comment = event.get("type") != "issue"
        # Later events of an issue repeat what it began with.
        text = without_email(lines_of(event.get("text"))) if is_comment or action == "opened" else ""
        author = text_of(event.get("author")) or text_of(event.get("masked_author"))
        turns.append(Turn(author, cut_lines(text, max_lines, _LAST, _CUT), action, is_comment))
    return turns, title


def _parts(turns: list[Turn], title: str) -> Iterator[tuple[str, str]]:
    """Yields the parts: the title and what began it, comments, and where it was closed (StarCoder2 §5.3)."""
    names, texts = anonymous([turn.author for turn in turns], [title, *(turn.text for turn in turns)])
    title, left = texts[0], list(zip(names, with_texts(turns, texts[1:]), strict=True))
    began = [f"Title: {title}"] if title else []
    if left and not left[0][1].is_comment and left[0][1].action == "opened":
        name, turn = left.pop(0)
        began.append(f"{name}: {turn.text}")
    yield "issue_start", "\n".join(began)
    for name, turn in left:
        if turn.is_comment and turn.text:
            yield "issue_comment", f"{name}: {turn.text}"
        elif not turn.is_comment and turn.action == "closed":
            yield "issue_closed", ""

"""From a record of a dataset to a document: which column is what, and what can't be served.

Without `fields`, each part of a document is the first column present of a table that covers The Stack (v1, smol),
codeparrot-clean, CodeSearchNet and plain `{text | content | code, path, repo, …}`; and of conversations: lists of
messages, instructions with their responses, and preferences.

CodeSearchNet keeps a function and its documentation apart. Where the documentation is not in the code already (a Python
docstring is), it is put in front as a comment, as it stood in the file: the code with its documentation is one text.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

from codetitan.data.document import Document, Dropped, repr_without
from codetitan.data.language import canonical_language, language_of
from codetitan.data.sources.dates import date_of
from codetitan.data.structure import PartsError, parse_parts
from codetitan.data.turns import Turns, TurnsError, common, of_messages, of_pair, of_preference
from codetitan.errors import ConfigError, did_you_mean

NAME_IT = "; name it with"
"""Before what a person who can name a column is advised; who can't is spared the rest of the line."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "text": ("text", "content", "whole_func_string", "original_string", "code", "func_code_string"),
    "path": (
        "path",
        "max_stars_repo_path",
        "func_path_in_repository",
        "file_path",
        "filepath",
        "filename",
        "file_name",
    ),
    "repo": ("repo", "repo_name", "repository_name", "repository", "max_stars_repo_name"),
    "language": ("language", "lang", "programming_language"),
    "licence": ("licence", "license", "licenses", "licences", "max_stars_repo_licenses", "detected_licenses"),
    "stars": ("stars", "star_count", "stars_count", "max_stars_count", "stargazers_count", "repo_stars"),
    "parts": ("document_parts",),
    "messages": ("messages", "conversations", "conversation"),
    "prompt": ("instruction", "problem", "question", "prompt", "query"),
    "response": ("response", "output", "completion", "solution", "answer"),
    "context": ("input",),
    "system": ("system", "system_prompt"),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
    "date": (
        "date",
        "committer_date",
        "commit_date",
        "revision_date",
        "last_modified",
        "updated_at",
        "pushed_at",
        "visit_date",
        "max_stars_repo_stars_event_max_datetime",
    ),
}
"""Part of a document → columns that may hold it, the first present wins."""

_CONVERSATION = ("messages", "prompt", "response", "context", "system", "chosen", "rejected")
_NAMED = 50  # columns in an error: a hostile store may have a million

_FUNCTIONS = ("whole_func_string", "original_string", "code", "func_code_string")
_DOCUMENTATION = ("func_documentation_string", "docstring")
_BLOCK, _SLASHES, _HASHES = ("/**", " * ", " */"), ("", "// ", ""), ("", "# ", "")
_COMMENTS = {
    "python": _HASHES, "ruby": _HASHES, "shell": _HASHES, "perl": _HASHES, "r": _HASHES, "go": _SLASHES,
    "rust": _SLASHES, "c#": _SLASHES, "swift": _SLASHES, "java": _BLOCK, "javascript": _BLOCK, "typescript": _BLOCK,
    "php": _BLOCK, "c": _BLOCK, "c++": _BLOCK, "kotlin": _BLOCK, "scala": _BLOCK,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that hold the parts of a document; None where a store has none for it.

    Of a conversation, `text` is the column of what is answered: `messages`, `chosen` or `response`.
    """

    text: str
    path: str | None = None
    repo: str | None = None
    language: str | None = None
    licence: str | None = None
    stars: str | None = None
    documentation: str | None = None
    parts: str | None = None
    date: str | None = None
    messages: str | None = None
    prompt: str | None = None
    response: str | None = None
    context: str | None = None
    system: str | None = None
    chosen: str | None = None
    rejected: str | None = None

    def __repr__(self) -> str:
        return repr_without(self, "parts", "date", *_CONVERSATION)

    @property
    def converses(self) -> bool:
        """Whether records are conversations."""
        return self.text in (self.messages, self.response, self.chosen)

    def names(self) -> list[str]:
        """Returns the columns that are read."""
        return list(dict.fromkeys(name for name in astuple(self) if name is not None))

    def agrees_with(self, other: "Columns") -> bool:
        """Whether no part has another column here than there; none is no other."""
        return all(mine is None or mine == theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))


def check_fields(label: str, fields: Mapping[str, str]) -> None:
    """Raises ConfigError where `fields` names a part that no document has."""
    for part in fields:
        if part not in COLUMNS:
            hint = did_you_mean(part, COLUMNS) or f"; there are {', '.join(COLUMNS)}"
            raise ConfigError(f"{label}: fields.{part}: unknown key{hint}")


def find_columns(label: str, present: list[str], fields: Mapping[str, str]) -> Columns:
    """Returns which column is what.

    Args:
        label: the source in an error, such as `dataloader.sources: jsonl "x.jsonl"`.
        present: the columns that there are.
        fields: part → column, where a person named it.

    Raises:
        ConfigError: `fields` names a part or a column that does not exist, or there is no column of text.
    """
    there = ", ".join(present[:_NAMED]) + (", …" if len(present) > _NAMED else "") or "none"
    check_fields(label, fields)
    for part, column in fields.items():
        if not isinstance(column, str) or column not in present:
            hint = did_you_mean(str(column), present)
            raise ConfigError(f'{label}: fields.{part} = "{column}" is no column; there are {there}{hint}')
    columns = columns_of(present, fields)
    if columns is None:
        close = (did_you_mean(name, present) for name in COLUMNS["text"])
        hint = next((hint for hint in close if hint), "")
        raise ConfigError(
            f"{label} has no column of text ({', '.join(COLUMNS['text'])}); there are {there}{NAME_IT} "
            f'fields = {{text = "COLUMN"}}{hint}'
        )
    return columns


def columns_of(present: Iterable[str], fields: Mapping[str, str]) -> Columns | None:
    """Returns which of the columns that are present is what; None where none of them is the text."""
    there = set(present)
    found = {part: next((name for name in names if name in there), None) for part, names in COLUMNS.items()}
    found.update({part: column if column in there else None for part, column in fields.items()})
    text = found.pop("text")
    answered = _answered(found)
    named = not fields.keys().isdisjoint(_CONVERSATION)
    # Instructions often come with a column of code: of the answer, or of what the question is about.
    if answered and (text is None or named or (text == "code" and "text" not in fields)):
        return Columns(answered, **found)
    if text is None:
        return None
    found.update(dict.fromkeys(_CONVERSATION))
    documentation = None
    if text in _FUNCTIONS and "text" not in fields:
        documentation = next((name for name in _DOCUMENTATION if name in there), None)
    return Columns(text, documentation=documentation, **found)


def _answered(found: dict[str, str | None]) -> str | None:
    """Returns the column of what is answered in conversations, and takes out those that are not read beside it; None
    where there are none."""
    if found["chosen"] and found["rejected"]:
        without: tuple[str, ...] = ("messages", "response", "context")
    elif found["messages"]:
        without = ("prompt", "response", "context", "system", "chosen", "rejected")
    elif found["prompt"] and found["response"]:
        without = ("messages", "chosen", "rejected")
    else:
        return None
    found.update(dict.fromkeys(without))
    return found["chosen"] or found["messages"] or found["response"]


def by_record(fields: Mapping[str, str]) -> Callable[[Mapping[str, Any]], Columns | None]:
    """Returns what finds the columns of a record by its own keys: no record is judged by what others have."""

    @lru_cache(maxsize=1024)  # a store has few shapes of records
    def of_shape(*names: str) -> Columns | None:
        return columns_of(names, fields)

    return lambda record: of_shape(*record)


def language_of_record(word: object, path: str | None, text: str) -> str:
    """Returns the language that a store names, where we know its name, else what path and text tell."""
    named = canonical_language(word) if isinstance(word, str) else "other"
    return named if named != "other" else language_of(path or "", text)


def to_document(
    source: str, place: str, record: Mapping[str, Any], columns: Columns | None, max_bytes: int
) -> Document | Dropped:
    """Returns the document of a record.

    Args:
        source: name of the source.
        place: of the record in the store, for people, and the path of a document that has none.
        record: column → value.
        columns: which is what; None where none is the text.
        max_bytes: a text of more UTF-8 bytes is "too large".
    """
    if columns is not None and columns.converses:
        return _conversation(source, place, record, columns, max_bytes)
    text = None if columns is None else record.get(columns.text)
    if columns is None or text is None:
        return Dropped(source, place, "no text")
    if not isinstance(text, str):
        return Dropped(source, place, "text is no string")
    if not text:
        return Dropped(source, place, "empty")
    n_bytes = _utf8_bytes(text)
    if n_bytes is None:
        return Dropped(source, place, "lone surrogates")
    if n_bytes > max_bytes:
        return Dropped(source, place, "too large")
    path = word(record.get(columns.path)) if columns.path else None
    language = language_of_record(record.get(columns.language) if columns.language else None, path, text)
    try:
        parts = parse_parts(record.get(columns.parts), text) if columns.parts else ()
    except PartsError as error:
        return Dropped(source, place, str(error))
    if columns.documentation and not parts:
        text = with_documentation(text, record.get(columns.documentation), language)
    return Document(
        source,
        path or place,
        text,
        word(record.get(columns.repo)) if columns.repo else None,
        language,
        _licence(record.get(columns.licence)) if columns.licence else None,
        whole_number(record.get(columns.stars)) if columns.stars else None,
        has_path=path is not None,
        parts=parts,
        date=date_of(record.get(columns.date)) if columns.date else None,
    )


def _conversation(
    source: str, place: str, record: Mapping[str, Any], columns: Columns, max_bytes: int
) -> Document | Dropped:
    def of(column: str | None) -> Any:
        return None if column is None else record.get(column)

    rejected: Turns = ()
    try:
        if columns.messages:
            turns = of_messages(of(columns.messages))
        elif columns.chosen:
            turns, rejected = of_preference(
                of(columns.prompt), of(columns.chosen), of(columns.rejected), of(columns.system)
            )
        else:
            turns = of_pair(of(columns.prompt), of(columns.response), of(columns.system), of(columns.context))
    except TurnsError as error:
        return Dropped(source, place, str(error))
    text = "\n\n".join(turn.text for turn in (*turns, *rejected[common(turns, rejected) :]))
    n_bytes = _utf8_bytes(text)
    if n_bytes is None:
        return Dropped(source, place, "lone surrogates")
    if n_bytes > max_bytes:
        return Dropped(source, place, "too large")
    path = word(of(columns.path))
    return Document(
        source,
        path or place,
        text,
        word(of(columns.repo)),
        language_of_record(of(columns.language), path, text),
        _licence(of(columns.licence)),
        whole_number(of(columns.stars)),
        has_path=path is not None,
        date=date_of(of(columns.date)),
        turns=turns,
        rejected=rejected,
    )


def _utf8_bytes(text: str) -> int | None:
    """Returns the length in UTF-8; None for a text with a surrogate, which has none."""
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        return None


def word(value: object) -> str | None:
    """Returns a name as a store writes it; None where it is none, or holds what a terminal would obey."""
    return value if isinstance(value, str) and value and value.isprintable() else None


def _licence(value: object) -> str | None:
    """Returns a store's licence; a list is what was found in a file or its repository, and all of it holds.

    A detector's list is no choice that somebody offered: StarCoder2 counts a file as permissive only where every
    licence in `detected_licenses` is (arXiv 2402.19173). `max_stars_repo_licenses` and `licenses` of The Stack v1 list
    what was found in a repository; which of its files each is for is not said, so all of them are for each.
    """
    if not isinstance(value, (list, tuple)):
        return word(value)
    names = list(dict.fromkeys(name for name in map(word, value) if name))
    if len(names) > 1:  # AND binds tighter than a choice within one of them
        names = [f"({name})" if " OR " in name else name for name in names]
    return " AND ".join(names) or None


def whole_number(value: object) -> int | None:
    """Returns a number from 0 to 2^63 - 1, what a table of ours has room for; None where it is none.

    Where some rows have none, a store makes floats of whole numbers.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < 2**63 else None


def with_documentation(code: str, documentation: object, language: str) -> str:
    """Returns a function with its documentation: as it is where that is in it, else with a comment in front."""
    style = _COMMENTS.get(language)
    if style is None or not isinstance(documentation, str):
        return code
    lines = [line.rstrip() for line in documentation.strip().splitlines()]
    # The first line is enough to tell: stores strip and dedent the rest.
    if not lines or lines[0] in code:
        return code
    begin, each, end = style
    if (end and "*/" in documentation) or _utf8_bytes(documentation) is None:
        return code
    comment = [begin, *((each + line).rstrip() for line in lines), end]
    return "".join(f"{line}\n" for line in comment if line) + code

"""Structured documents: a text in parts, each of a kind. Issues, commits, notebooks and pull requests are such.

A kind is a sentinel's name without its brackets: of StarCoder (arXiv 2305.06161, §5.1) for issues, notebooks and
commits, of StarCoder2 (2402.19173, §5) for pull requests and intermediate representations. What stands before the first
sentinel has the kind "". A part's text may be empty: `<jupyter_start>` and `<empty_output>` stand for themselves.
"""

import json

KINDS: tuple[str, ...] = (
    "issue_start",
    "issue_comment",
    "issue_closed",
    "jupyter_start",
    "jupyter_text",
    "jupyter_code",
    "jupyter_output",
    "empty_output",
    "commit_before",
    "commit_msg",
    "commit_after",
    "jupyter_script",
    "code_to_intermediate",
    "intermediate_to_code",
    "pr",
    "pr_status",
    "pr_is_merged",
    "pr_base",
    "pr_file",
    "pr_base_code",
    "pr_diff",
    "pr_diff_hunk",
    "pr_comment",
    "pr_event_id",
    "pr_review",
    "pr_review_state",
    "pr_review_comment",
    "pr_in_reply_to_review_id",
    "pr_in_reply_to_comment_id",
    "pr_diff_hunk_comment_line",
)
"""In the order in which ids are given to those that a tokenizer lacks: a new kind goes behind all others."""

CODE: frozenset[str] = frozenset({"jupyter_code", "jupyter_script", "commit_before", "commit_after"})
"""The kinds whose text is code in the document's language; that of the others is prose, output, a diff or a name."""

HOLES: frozenset[str] = CODE - {"commit_before"}
"""The kinds in which a hole may be cut: code that somebody would write there. What is missing of a commit's old code
stands in its new code, mostly, so that a hole in it would teach to copy."""

HEAD = ""
"""The kind of what stands before the first sentinel."""

Parts = tuple[tuple[str, int], ...]
"""(kind, characters) in the order of the text, whose length the characters add up to; (): a plain text."""

_KNOWN = frozenset(KINDS)


class PartsError(ValueError):
    """Parts that are none of a text; the message is the reason under which the document is counted."""


def parse_parts(value: object, text: str) -> Parts:
    """Returns the parts of a text, as a store holds them.

    Args:
        value: [[kind, characters], …], such a list in JSON, or None (or an empty list) for a plain text.
        text: the text.

    Raises:
        PartsError: it is something else, has an unknown kind, or does not add up to the text.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise PartsError("parts are no list of kinds and characters") from None
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise PartsError("parts are no list of kinds and characters")
    parts: list[tuple[str, int]] = []
    for part in value:
        if not isinstance(part, (list, tuple)) or len(part) != 2:
            raise PartsError("parts are no list of kinds and characters")
        kind, n = part
        if not isinstance(kind, str) or type(n) is not int or n < 0:
            raise PartsError("parts are no list of kinds and characters")
        # Without a sentinel a part in the middle would run into the one before it.
        if kind not in _KNOWN and (kind != HEAD or parts):
            raise PartsError("parts of an unknown kind")
        parts.append((kind, n))
    if parts and sum(n for _, n in parts) != len(text):
        raise PartsError("parts do not add up to the text")
    return tuple(parts)


def kinds_in(value: object) -> set[str]:
    """Returns the kinds with a sentinel in parts as a store holds them; what is none counts for nothing."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return set()
    parts = value if isinstance(value, (list, tuple)) else ()
    first = (part[0] for part in parts if isinstance(part, (list, tuple)) and part)
    return {kind for kind in first if isinstance(kind, str) and kind in _KNOWN}


def is_of_a_file(parts: Parts) -> bool:
    """Whether a document is a file, as a notebook is; an issue, a commit or a pull request is not, whatever a store
    calls it: `codetitan prepare` calls a commit by its hash, of which nothing can be learnt."""
    first = next((kind for kind, _ in parts if kind != HEAD), HEAD)
    return not first.startswith(("issue_", "commit_", "pr_")) and first != "pr"


def sentinel_of(kind: str) -> str:
    """Returns the sentinel of a kind of KINDS, the same in every token family."""
    return f"<{kind}>"


def to_json(parts: Parts) -> str | None:
    """Returns parts as `parse_parts` reads them; None for a plain text."""
    return json.dumps([list(part) for part in parts], separators=(",", ":")) if parts else None

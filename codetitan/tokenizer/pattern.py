"""Several regex splits, one after the other, as the one regex that tiktoken takes.

`tokenizers` lets each split see only what the splits before it left: their matches end its text. In one alternation
`s1|s2|…`, tried at each place in that order, the same holds once no character of a later regex may stand where an
earlier one matches: each atom X of it (a class, an escape, a literal) becomes `(?!s1)X`, also inside `(?!\\S)`. Where
the earlier regex is a repeated class C, the intersection `[X&&[^C]]` says the same and costs nothing.
"""

import re

# The regex of `ByteLevel(use_regex=true)`: `PAT` in huggingface/tokenizers, pre_tokenizers/byte_level.rs, and GPT-2's.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

# What a regex is made of, so that its atoms can be told from the rest.
_PART = re.compile(
    r"(?P<escape>\\[pP]\{\^?[\w=]+\}|\\[xu]\{\w+\}|\\x\w\w|\\u\w{4}|\\[pP]\w|\\[sSdDwWnrtfv]|\\[^\w\s])"
    r"|(?P<group>\(\?i:|\(\?:|\(\?!|\(\?=|\(\?>|\((?!\?)|\)|\|)"
    r"|(?P<count>[*+?]|\{\d*,?\d*\})"
    r"|(?P<literal>[^\\\[\](){}|*+?^$.])"
)
_REPEATED_CLASS = re.compile(r"(?P<atom>\\[pP]\{\^?[\w=]+\}|\\[sSdDwW]|\[.*\])(?:\+|\{[1-9]\d*(?:,\d*)?\})?", re.DOTALL)


class UnknownSyntaxError(Exception):
    """A regex of a kind that can't stand behind another split: the text says what is unknown in it."""


def _class_end(regex: str, start: int) -> int:
    """Returns where the class that opens at `start` ends, classes in it and `[]…]` included."""
    depth, at = 0, start
    while at < len(regex):
        if regex[at] == "\\":
            at += 1
        elif regex[at] == "[":
            depth += 1
        elif regex[at] == "]":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    raise UnknownSyntaxError(f"a class without end in {regex!r}")


def _repeated_class(regex: str) -> str | None:
    """Returns the class that `regex` repeats, `\\p{N}` for `\\p{N}{1,3}`; None where it is something else."""
    if regex.startswith("["):
        end = _class_end(regex, 0)
        return regex[:end] if _REPEATED_CLASS.fullmatch("[]" + regex[end:]) else None
    found = _REPEATED_CLASS.fullmatch(regex)
    return found["atom"] if found else None


def _behind(regex: str, classes: list[str], others: list[str]) -> str:
    """Returns `regex` with no character of it where one of `classes` stands or one of `others` matches."""
    if not classes and not others:
        return regex
    outside = f"&&[^{''.join(classes)}]" if classes else ""
    ahead = f"(?!{'|'.join(others)})" if others else ""

    def atom(inner: str) -> str:
        return f"(?:{ahead}[{inner}{outside}])" if ahead else f"[{inner}{outside}]"

    parts, at = [], 0
    while at < len(regex):
        if regex[at] == "[":
            end = _class_end(regex, at)
            parts.append(atom(regex[at:end]))
            at = end
            continue
        found = _PART.match(regex, at)
        if found is None:
            raise UnknownSyntaxError(f"{regex[at : at + 3]!r} in a regex behind another split")
        if found["escape"]:
            parts.append(atom(found["escape"]))
        elif found["literal"]:
            literal = found["literal"]
            # In a class some ASCII punctuation means something; escaped it never does.
            parts.append(atom(literal if literal.isalnum() or not literal.isascii() else _escaped(literal)))
        else:
            parts.append(found.group())
        at = found.end()
    return "".join(parts)


def _escaped(literal: str) -> str:
    return literal if literal.isspace() else "\\" + literal


def joined(regexes: list[str], *, rest: bool) -> str:
    """Returns one regex that splits as `regexes` do one after the other; with `rest`, what none matches is a chunk.

    Raises:
        UnknownSyntaxError: one of them can't stand behind another split.
    """
    classes: list[str] = []
    others: list[str] = []
    alternatives: list[str] = []
    for regex in regexes:
        alternatives.append(_behind(regex, classes, others))
        repeated = _repeated_class(regex)
        if repeated is None:
            others.append(alternatives[-1])
        else:
            classes.append(repeated)
    if rest:
        alternatives.append(rf"(?:(?!{'|'.join(alternatives)})[\s\S])+")
    return "|".join(alternatives)


def for_tokenizers(regex: str) -> str:
    """Returns a regex of tiktoken's as `tokenizers` reads it.

    To Oniguruma `$` is also the end of a line, and `{1,3}+` repeats the repetition; to tiktoken they are the end of the
    text, and a repetition that gives nothing back. Where nothing of the alternative follows, that is a plain one.

    Raises:
        UnknownSyntaxError: something follows, so that it could matter.
    """
    parts, at = [], 0
    while at < len(regex):
        if regex[at] == "[":
            end = _class_end(regex, at)
            parts.append(regex[at:end])
        elif regex[at] == "\\":
            end = at + 2
            parts.append(regex[at:end])
        elif regex[at] == "$":
            end = at + 1
            parts.append(r"\z")
        elif possessive := re.compile(r"(\{\d+(?:,\d*)?\})\+").match(regex, at):
            end = possessive.end()
            if end < len(regex) and regex[end] not in "|)":
                raise UnknownSyntaxError(f"{regex[at : end + 1]!r}, which tokenizers does not have")
            parts.append(possessive[1])
        else:
            end = at + 1
            parts.append(regex[at])
        at = end
    return "".join(parts)

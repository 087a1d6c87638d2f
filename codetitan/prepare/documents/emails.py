"""Comments that were written as replies to an e-mail, without what the e-mail program added.

Source: StarCoder, arXiv 2305.06161, Appendix A, and bigcode-dataset, preprocessing/utils/utils_issues.py, say what is
added: headers, the mail that is answered, GitHub's footer, the line of "Signed-off-by". Differs: a quotation goes only
where such a header or footer says that the text is an e-mail; Markdown has quotations of its own.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence

_WROTE = re.compile(r"On\b.*\bwrote:$|.*notifications@github\.com|.*\d+/\d+/\d+ \d{1,2}:\d{2} ?[AP]M.*\bwrote\b")
_ON = re.compile(r"^On\b.{4,}$")
_WROTE_AT_LAST = re.compile(r"\bwrote:\s*$")
_FROM = re.compile(r"^(?:>\s*)?\*?From:\*?\s")
_HEADER = re.compile(r"^(?:>\s*)?\*?(?:Sent|Date|To|Cc|Subject|Reply-To):\*?\s", re.IGNORECASE)
_FOOTER = re.compile(r"Reply to this email directly|You are receiving this because|view it on GitHub|mute the thread")
_RULE = re.compile(r"^\s*(?:—|–|--|-{3,}|_{20,}|-+ ?Original Message ?-+)\s*$", re.IGNORECASE)
_PAGE = re.compile(r"_{20,}")
_SIGNED = re.compile(r"^Signed-off-by: .+<.+>\s*$")
_MARKS = ("wrote", "notifications@", "From:", " this email", "receiving this", "on GitHub", "the thread", "Signed-off")
_RULE_OF_PAGE = "_" * 20
_NEAR = 4  # lines within which a header goes on
_LONG = 1000  # characters of a line that no e-mail program writes, and in which some of these would look for minutes


def without_email(text: str) -> str:
    """Returns what was written, without white space around it; a text that is no e-mail's as it is otherwise."""
    text = text.strip()
    if _RULE_OF_PAGE not in text and not any(mark in text for mark in _MARKS):
        return text  # most are: what follows goes line by line
    lines = [line for line in text.split("\n") if len(line) > _LONG or not _SIGNED.match(line)]
    footers = [i for i, line in enumerate(lines) if _FOOTER.search(line[:_LONG])]
    kept: list[str] = []
    at = 0
    while at < len(lines):
        end = _end_of_reply(lines, at, footers)
        if end == at:
            kept.append(lines[at])
            at += 1
            continue
        while kept and (not kept[-1].strip() or _RULE.match(kept[-1])):
            kept.pop()
        at = end
    return _PAGE.sub("", "\n".join(kept)).strip()


def _end_of_reply(lines: list[str], at: int, footers: Sequence[int]) -> int:
    """Returns the line behind what an e-mail program added, if that begins here; else `at`.

    Args:
        lines: of the comment.
        at: one of them.
        footers: those that have a footer.
    """
    line = lines[at].strip()
    if len(line) > _LONG:
        return at
    if _FOOTER.search(line):
        return _end_of_footer(lines, at)
    begin = at + 1
    if not _WROTE.match(line):
        # Long ones are broken: "On Tue, 1 Jan 2019, Jane Doe <jane@…>" / "wrote:".
        if _ON.match(line) and at + 1 < len(lines) and _WROTE_AT_LAST.search(lines[at + 1]):
            begin = at + 2
        elif not (_FROM.match(line) and any(_HEADER.match(near.strip()) for near in lines[at + 1 : at + 1 + _NEAR])):
            return at
    if (next_footer := bisect_left(footers, begin)) < len(footers):
        return _end_of_footer(lines, footers[next_footer])
    # What a header of "From:" begins has no mark before its lines.
    return len(lines) if _FROM.match(line) else _end_of_quotation(lines, begin)


def _end_of_quotation(lines: list[str], at: int) -> int:
    end = at
    for i in range(at, len(lines)):
        if lines[i].lstrip().startswith(">"):
            end = i + 1
        elif lines[i].strip():
            break
    return end


def _end_of_footer(lines: list[str], at: int) -> int:
    end = at + 1
    for i in range(end, min(len(lines), at + 1 + _NEAR)):
        if _FOOTER.search(lines[i][:_LONG]) or lines[i].lstrip().startswith(("<http", "https://github.com/")):
            end = i + 1
    return _end_of_quotation(lines, end) if lines[at].lstrip().startswith(">") else end

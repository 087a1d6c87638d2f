"""Who takes part in a conversation: bots, which are left out, and people, whose names are counted instead."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

_BOTS = {
    "Apache-HBase", "AutorestCI", "CLAassistant", "claassistantio", "cmsbuild", "codecov-commenter", "codecov-io",
    "coveralls", "danger-public", "dnfclas", "karma-pr-reporter", "msftclas", "probot-stale", "PyDocTeur", "SparkQA",
}  # fmt: skip
_PARTS_OF_BOTS = ("[bot]", "botmanager", "bors-", "jenkins", "k8s-", "-test-", "travis")
_ENDS_OF_BOTS = (
    "bot", "-automation", "-automaton", "-benchmark", "-build", "-ci", "-cloud", "-deployer", "-linter",
    "-service-account", "-teamcity", "-test", "-testing",
)  # fmt: skip
_LOGIN = re.compile(r"[\w-]+", re.ASCII)
_FEW = 50
_SHORTEST = 4  # of a login that is replaced where no @ says that it is one: "for" and "bug" are logins, too


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that somebody did in a conversation.

    Attributes:
        author: the login.
        text: what was said; "" where nothing was.
        action: such as "opened", "created", "closed".
        is_comment: of an event of the issue itself False.
    """

    author: str
    text: str
    action: str
    is_comment: bool


def is_bot(login: str) -> bool:
    """Whether a login is a bot's.

    Source: StarCoder, arXiv 2305.06161, Appendix A; bigcode-dataset, preprocessing/utils/utils_issues.py. Differs: the
    end "-Service-Account" is found in any letter case, as was meant.
    """
    lower = login.lower()
    return login in _BOTS or lower.endswith(_ENDS_OF_BOTS) or any(part in lower for part in _PARTS_OF_BOTS)


def without_bots(turns: Sequence[Turn]) -> list[Turn]:
    """Returns what people did, without the comments that call a bot, which has the next turn.

    Source: as `is_bot`. A call begins with "/", or has the bot's login in it. Differs: there no call before the second
    turn of a bot is seen.
    """
    left: list[Turn] = []
    for before, turn in zip((None, *turns), turns, strict=False):
        if not is_bot(turn.author):
            left.append(turn)
        elif before is not None and left and left[-1] is before and _calls(before, turn.author):
            left.pop()
    return left


def _calls(turn: Turn, bot: str) -> bool:
    return turn.is_comment and (turn.text.startswith("/") or bot in turn.text)


def anonymous(logins: Sequence[str], texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns `username_0`, `username_1`, … in place of logins, by first appearance, and texts that have those.

    In texts a participant's login is replaced after an "@", in any letter case, as GitHub has it, and as a word of its
    own where it has four letters at least.

    Source: as `is_bot`. Differs: there a login is replaced inside of words, too, so that one of "a" changes every word.
    """
    names = {login: f"username_{i}" for i, login in enumerate(dict.fromkeys(logins))}
    by_letters = {login.casefold(): name for login, name in reversed(names.items())}
    folded = [text.casefold() for text in texts]
    # GitHub's logins are words, and words are looked up: all of them as alternatives take the square of an issue.
    odd = [login for login in names if login and not _LOGIN.fullmatch(login)]
    odd = [login for login in odd if any(login.casefold() in text for text in folded)]
    forms = [re.escape(login) for login in sorted(odd, key=lambda login: (-len(login), login))] + [r"[\w-]+"]
    pattern = re.compile(rf"(?<![\w-])(@?)({'|'.join(forms)})(?![\w-])", re.IGNORECASE)

    def name_of(match: "re.Match[str]") -> str:
        at, login = match[1], match[2]
        if at or (len(login) >= _SHORTEST and login in names):
            # Letters such as "ſ" are an "s" in any letter case, though not in all ways of folding it.
            return at + by_letters.get(login.casefold(), login)
        return match[0]

    letters = [login for login in by_letters if login]
    # Most texts name nobody, which of a few is seen without looking at each word.
    replaced = [
        pattern.sub(name_of, text) if len(letters) > _FEW or any(login in own for login in letters) else text
        for text, own in zip(texts, folded, strict=True)
    ]
    return [names[login] for login in logins], replaced


def cut_lines(text: str, most: int, last: int, mark: str) -> str:
    """Returns a text of `most` lines at most: of a longer one the last ones and as many of the first, and a mark."""
    lines = text.split("\n")
    return text if len(lines) <= most else "\n".join([*lines[: most - last], mark, *lines[-last:]])


def said(turns: Sequence[Turn]) -> int:
    """Returns how many characters were said."""
    return sum(len(turn.text) for turn in turns)


def with_texts(turns: Sequence[Turn], texts: Sequence[str]) -> list[Turn]:
    """Returns the turns with other texts."""
    return [replace(turn, text=text) for turn, text in zip(turns, texts, strict=True)]

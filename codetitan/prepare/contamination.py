"""[prepare.contamination]: files that hold what models are measured on, problems or their solutions.

A file is out where 10 words that follow each other are those of a benchmark's text; a text of 3 to 9 words must stand
in it whole, and so must a longer one of which no 10 words are its own. Source: DeepSeek-Coder, arXiv 2401.14196 §2
(10-grams, shorter ones exact); Qwen2.5-Coder, arXiv 2409.12186, takes 10-grams of words too. What is no benchmark's own
(keywords, one-letter names, imports) can't match alone: `for i in range(len(lst)): for j in range(i + 1, len(lst))` is
in a solution, and in half of the world's code.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from codetitan.data.validation.gold import HUMANEVAL, humaneval_file, lines_of
from codetitan.errors import ConfigError
from codetitan.prepare.file import Drop, File

REASON = "benchmark overlap"

_IDS = ("task_id", "id", "name", "question_id", "problem_id")
# Letters, digits, `_` and what is not ASCII are parts of words, the rest stands between them.
_BETWEEN = bytes(c if c >= 0x80 or chr(c).isalnum() or chr(c) == "_" else 0x20 for c in range(256))
_OWN_WORDS = 3  # different words of a gram that say what it is about
_COMMON = frozenset(
    b"""
    and as assert async await bool boolean break byte case catch char class const continue def default del delete do
    double elif else end enum except export extends false final finally float fn for foreach from func function global
    goto if implements import in include int integer interface is lambda let list long match mod mut namespace new nil
    none not null number object of or package pass private protected pub public raise ref return self short sizeof
    static str string struct super switch then this throw throws true try type typedef typeof undefined union unsigned
    use using val var vec vector void while with yield
    abs all any append array data dict enumerate filter items join key keys len length lst map max min nums out pop
    print push range res result reversed set size sort sorted split strip sum temp tmp tuple value values zip
    zero one two three four five six seven eight nine ten
    a an are be by each given it its on that the to which
    """.split()
)  # fmt: skip
_BOILERPLATE = (b"import ", b"from ", b"#include", b"using ", b"package ", b"require", b"# copyright", b"// copyright")
_OF_LICENCES = ("licen", "permission", "redistribution")

Gram = tuple[bytes, ...]

_OF_GRAMS, _OF_LONG = 1, 2  # of which a word is
_HAS = {bit: bytes(bool(byte & bit) for byte in range(256)) for bit in (_OF_GRAMS, _OF_LONG)}


@dataclass(kw_only=True, slots=True)
class Contamination:
    """Drops files that overlap with benchmarks."""

    enable: bool = True

    humaneval: bool = True
    """Whether HumanEval's prompts and solutions are looked for."""

    strings: list[str] = field(default_factory=list)
    """JSON Lines files, plain or with gzip, of other benchmarks: every text of a record is looked for."""

    words: int = 10
    """Words that follow each other of which a file may share fewer with a benchmark's text."""

    min_words: int = 3
    """Texts of fewer words are not looked for; those of fewer than `words` must stand in a file whole."""

    def check(self) -> None:
        """Asks for what the rule needs.

        Raises:
            ConfigError: a number that makes no sense, a file that can't be read, or HumanEval's package is missing.
        """
        if not 1 <= self.min_words <= self.words:
            raise ConfigError(
                f"prepare.contamination.min_words = {self.min_words} must lie between 1 and "
                f"prepare.contamination.words = {self.words}"
            )
        if not self.enable:
            return
        Benchmarks(self)
        for i, place in enumerate(self.strings):
            if not Benchmarks(replace(self, humaneval=False, strings=[place])).n_looked_for:
                raise ConfigError(
                    f'prepare.contamination.strings.{i} = "{place}": nothing in it can be looked for: no text '
                    f"of it has {self.min_words} words, three of them its own"
                )


class Benchmarks:
    """The texts that are looked for.

    Args:
        rule: which, and how.

    Raises:
        ConfigError: HumanEval's package is missing, or a file can't be read.

    Attributes:
        not_looked_for: names of the texts that say too little: a person should know that they are not.
        n_looked_for: how many texts say enough.
    """

    def __init__(self, rule: Contamination) -> None:
        self._n = rule.words
        self._grams: dict[Gram, str] = {}
        self._whole: dict[Gram, str] = {}
        self._long: dict[Gram, dict[Gram, str]] = {}  # of `words` and more that count as a whole, by the first of them
        self.not_looked_for: list[str] = []
        self.n_looked_for = 0
        for name, text in _texts(rule):
            self._add(name, text, rule.min_words)
        known = [*self._grams, *self._whole]
        long = [gram for grams in self._long.values() for gram in grams]
        self._words = dict.fromkeys((word for gram in long for word in gram), _OF_LONG)
        for word in {word for gram in known for word in gram}:
            self._words[word] = self._words.get(word, 0) | _OF_GRAMS
        self._shortest = min(map(len, known), default=self._n)
        self._lengths = sorted({len(gram) for gram in known})

    def _add(self, name: str, text: str, min_words: int) -> None:
        added = False
        pieces = [_words(piece) for piece in _without_boilerplate(text)]
        for words in pieces:
            for i in range(len(words) - self._n + 1):
                gram = tuple(words[i : i + self._n])
                if _is_own(gram):
                    self._grams.setdefault(gram, name)
                    added = True
        # A long text of short pieces is not short: nothing of it must stand alone.
        rest = [tuple(piece) for piece in pieces if piece]
        if len(rest) == 1 and min_words <= len(rest[0]) < self._n and _is_own(rest[0]):
            self._whole.setdefault(rest[0], name)
            added = True
        if not added and len(rest) == 1 and _is_long(rest[0], self._n):
            self._long.setdefault(rest[0][: self._n], {}).setdefault(rest[0], name)
            added = True
        self.n_looked_for += added
        if not added:
            self.not_looked_for.append(name)

    def digest(self) -> str:
        """Returns a name for what is looked for: a state made with other texts is another's."""
        long = [item for grams in self._long.values() for item in grams.items()]
        looked_for = sorted([*self._grams.items(), *self._whole.items(), *long])
        return hashlib.sha256(repr((self._n, looked_for)).encode()).hexdigest()

    def judge(self, file: File) -> Drop | None:
        """Returns why a file is dropped, naming the problem and the words; None where it shares nothing."""
        words = _words(file.data)
        # Almost no file has a run of words that all are some benchmark's, and finding one takes no loop of Python's.
        whose = bytes(map(self._words.get, words, itertools.repeat(0)))
        for bit, shortest, find in (
            (_OF_GRAMS, self._shortest, self._in_run),
            (_OF_LONG, _shortest_long(self._n), self._long_in_run),
        ):
            known = whose.translate(_HAS[bit])
            run = b"\x01" * shortest
            at = known.find(run)
            while at >= 0:
                stop = known.find(b"\x00", at)
                stop = len(known) if stop < 0 else stop
                found = find(words[at:stop])
                if found is not None:
                    name, gram = found
                    said = b" ".join(gram).decode("utf-8", "replace")
                    return Drop("contamination", REASON, f'{name}: "{said}"', self._n)
                at = known.find(run, stop)
        return None

    def _in_run(self, words: list[bytes]) -> tuple[str, Gram] | None:
        for i in range(len(words)):
            for length in self._lengths:
                gram = tuple(words[i : i + length])
                name = (self._grams if length == self._n else self._whole).get(gram)
                if name is not None:
                    return name, gram
        return None

    def _long_in_run(self, words: list[bytes]) -> tuple[str, Gram] | None:
        for i in range(len(words) - self._n + 1):
            for whole, name in self._long.get(tuple(words[i : i + self._n]), {}).items():
                if tuple(words[i : i + len(whole)]) == whole:
                    return name, whole
        return None


def _shortest_long(n: int) -> int:
    return -(-3 * n // 2)


def _is_long(gram: Gram, n: int) -> bool:
    """Whether a text that says nothing of its own in any n words is too long to be written twice by chance."""
    return len(gram) >= 2 * n or (len(gram) >= _shortest_long(n) and len(_own(gram)) >= _OWN_WORDS - 1)


def _words(data: bytes) -> list[bytes]:
    return data.lower().translate(_BETWEEN).split()


def _is_own(gram: Gram) -> bool:
    """Whether a gram says enough to be some benchmark's own."""
    return len(_own(gram)) >= _OWN_WORDS


def _own(gram: Gram) -> set[bytes]:
    return {word for word in gram if len(word) > 1 and not word.isdigit()} - _COMMON


def _without_boilerplate(text: str) -> Iterator[bytes]:
    """Yields what stands between licences and lines that many files share; no gram leads over one."""
    for part in _without_licences(text):
        piece: list[bytes] = []
        for line in part.encode("utf-8", "replace").split(b"\n"):
            if line.strip().lower().startswith(_BOILERPLATE):
                yield b"\n".join(piece)
                piece = []
            else:
                piece.append(line)
        yield b"\n".join(piece)


def _without_licences(text: str) -> Iterator[str]:
    lower, at = text.lower(), 0
    if any(word in lower for word in _OF_LICENCES):
        from licenseclassifier import identify_license

        for match in identify_license(text, 0):
            yield text[at : match.start]
            at = match.end
    yield text[at:]


def _texts(rule: Contamination) -> Iterator[tuple[str, str]]:
    """Yields (name, text) of what is looked for, each problem's texts one by one."""
    if rule.humaneval:
        key = f"prepare.contamination.{HUMANEVAL} = true"
        for number, record in _records(humaneval_file(key), key):
            yield from _of_record(record, number, ("prompt", "canonical_solution"))
    for i, place in enumerate(rule.strings):
        path = Path(place).expanduser()
        for number, record in _records(path, f'prepare.contamination.strings.{i} = "{place}"'):
            yield from _of_record(record, f"{path.name}:{number}", None)


def _of_record(record: Any, number: str, columns: tuple[str, ...] | None) -> Iterator[tuple[str, str]]:
    if isinstance(record, str):
        yield number, record
    elif isinstance(record, list):
        for each in record:
            yield from _of_record(each, number, None)
    elif isinstance(record, dict):
        name = next((record[key] for key in _IDS if isinstance(record.get(key), (str, int))), None)
        name = number if name is None else str(name)
        for key, value in record.items():
            if key not in _IDS and (columns is None or key in columns):
                yield from _of_record(value, name, None)


def _records(path: Path, what: str) -> Iterator[tuple[str, Any]]:
    """Yields (number of the line, record).

    Raises:
        ConfigError: the file can't be read, or a line is no JSON.
    """
    it_is = "a JSON Lines file of a benchmark"
    for number, line in enumerate(lines_of(path, what, it_is), start=1):
        try:
            record = json.loads(line)
        except ValueError:
            raise ConfigError(f"{what}: line {number} is no JSON; it is {it_is}") from None
        yield str(number), record

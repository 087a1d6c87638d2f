"""What a key looks like: drawn by lot, and no hash, UUID, name or template."""

import itertools
import math
import re
from collections import Counter

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(?:0x)?[0-9a-f]+", re.IGNORECASE)
_HASH_DIGITS = {32, 40, 56, 64, 96, 128}  # MD5 to SHA-512
_HASH_WORDS = re.compile(
    r"sha|md5|hash|byte|digest|checksum|commit|integrity|etag|fingerprint|revision|\brev\b", re.IGNORECASE
)
_TEMPLATE = re.compile(
    r"^[$%<{\[].*[}>%\])]$|^\$\w+$|\$\{|\{\{|%\(|%s|<[\w -]+>|x{6,}|\*{3,}|\.{3}|your[-_ ]", re.IGNORECASE
)
_FIELD = re.compile(r"\{\w*(?:[}!:.\[(]|$)|\\[nrt]$")  # of a format: `{code`, of which what follows was cut off
_PLACEHOLDERS = re.compile(
    r"pass(?:word|wd|phrase)?|pwd|secret|change_?me|test(?:ing)?|example|dummy|none|null|true|false|str(?:ing)?|bytes|user"
    r"|your|my|new|old|the|[\W_\d]{1,2}$|[\W_]",
    re.IGNORECASE,
)
_CODE = re.compile(r"[\w.]*[([].*|[*&(]*[A-Za-z_][A-Za-z_.]*[)\]>?]*")
# Letters that follow each other most in English: some 80 % of what its words have, and 20 % of what a lot draws.
_USUAL = (
    "thheineranrendatonnthaesstenedtoitoueahiisortiasteetngofaldeselesasiarveraldurroriionemeceicmacolllitaelchusec"
    "omlanstrcabepesohoilnaotnoutacdiunssgeaiagabamadprpopakeeyidieimiropowplqushsutstuulumupviwawewiwomomilylockcl"
    "ctblbobrbydadoemevexfifofrgagrghgogi"
)
_PAIRS = frozenset(_USUAL[i : i + 2] for i in range(0, len(_USUAL), 2))
_MIN_ENTROPY = 3.0  # bits a character, of 12 and more: English words have 2 to 3, drawn hex digits 3.5 and more


def is_hash(value: str, line_before: str) -> bool:
    """Whether a value is a UUID, or a hash that its line speaks of.

    Args:
        value: what may be a key.
        line_before: its line, up to it.
    """
    if _UUID.fullmatch(value):
        return True
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    return len(digits) in _HASH_DIGITS and _HEX.fullmatch(value) is not None and bool(_HASH_WORDS.search(line_before))


def is_template(value: str) -> bool:
    """Whether a value stands for one that is put in later: `${TOKEN}`, `<your key>`, `xxxxxxxx`."""
    return _TEMPLATE.search(value) is not None


def is_password(value: str, quoted: bool) -> bool:
    """Whether a value that stands beside the word "password" is one: no name of a type or variable, and no sentence.

    Args:
        value: what stands there.
        quoted: whether it is between quotes; else only what code would not have is believed.
    """
    if any(c.isspace() for c in value) or _FIELD.search(value) or not _PLACEHOLDERS.sub("", value):
        return False
    return quoted or _CODE.fullmatch(value) is None


def looks_drawn(value: str) -> bool:
    """Whether characters look drawn by lot: high entropy, letters beside digits, and not made of words."""
    if len(value) < 12 or entropy(value) < _MIN_ENTROPY:
        return False
    if not any(c.isalpha() for c in value) or len(set(value)) < 8:
        return False
    if _sequential(value):
        return False
    # Names such as `user_session_token`, and paths, are words: their letters follow each other as words' do.
    pairs = [value[i : i + 2].lower() for i in range(len(value) - 1) if value[i : i + 2].isalpha()]
    usual = sum(pair in _PAIRS for pair in pairs)
    return len(pairs) < 6 or usual < 0.5 * len(pairs)


def entropy(value: str) -> float:
    """Returns Shannon's entropy of the characters, in bits a character."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)


def _sequential(value: str) -> bool:
    """Whether most characters are the next of the one before: an alphabet, 0123456789."""
    steps = sum(ord(b) - ord(a) == 1 for a, b in itertools.pairwise(value))
    return steps > len(value) / 2

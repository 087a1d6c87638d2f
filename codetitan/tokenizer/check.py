"""Compares tokenizers on real text, at each load: code in several styles, prose, and strings that break things."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Encode = Callable[[str], npt.NDArray[np.uint32]]

_CODE = """\
#include <stdio.h>\r\n#define N 0x7F\r
int main(void) {\r\n\tfor (int i = 0; i < N; ++i)\r\n\t\tprintf("%d\\n", i*2);\r\n}\r\n
export const f = async (x) => { const {a, ...rest} = await x?.y ?? {}; return `${a}-${rest.length}`; };   \t
func (s *Server) handle(w http.ResponseWriter) error { return fmt.Errorf("it's %w: %v", ErrX, 1_000_000) }\n\n\n
impl<'a, T: ?Sized> Deref for Foo<'a, T> { type Target = T; fn deref(&self) -> &T { &self.0 } }\n    \n        \n
SELECT COUNT(*) FROM users u WHERE u.id IN (1,23,456,7890,12345) AND name LIKE 'O''Brien%';  -- TODO(x): 3.14159e-10
<div class="a-b c_d">&nbsp;</div>\n\t \t mixed\n \ttabs  \n__init__ camelCaseHTTPServer SCREAMING_CASE x1y2z3 0xDEADBEEF
if not in the of the for i in range(10): import numpy as np; from a import b; return x if y else z; one of the most
I'm you're we've they'll he'd it's DON'T SHE'LL 'tis rock'n'roll 's 'S 'ſ 're'RE KELVIN \u212a don\u2019t
"""
_SCRIPTS = (
    "naïve café Ünïcode ÅÄÖ Ελληνικά кириллица עִבְרִית العربية ١٢٣ हिन्दी ไทย ភាសា\n"
    "中文字符12ab漢字かなカナー한국어、。「」 123中文 456かな abc中文def 中!文? ・ ゠ ヿ 12 3456 7 ½ Ⅷ ² 〇 一龥 龦\n"
    "e\u0301 a\u030a\u0323 \u0301x 1\u0301 \u200b\u200d\ufeff \u00a0 \u2003 \u2028 \u3000 \x85\n"
    "✓ → ∑ ≠ € £ ™ ﬁ ß ẞ İ ı\n"
    "🙂 👩‍👩‍👧‍👦 🇩🇪 👍🏽 1️⃣ 𝒳𝔘 𐍈 \U000e0067 \U0010ffff \ufffd \ue000\n"
    "<|endoftext|> <fim_prefix> <|fim_middle|> <s> </s> <unk> <0x0A> [INST] <\uff5cfim_hole\uff5c>\n"
)
# Each lead byte of UTF-8 and each byte that follows one.
_LEADS = "".join(
    [chr(i) for i in range(0x100)]
    + [chr(i) for i in range(0x100, 0x800, 0x40)]
    + [chr(max(i, 0x800)) for i in range(0, 0x10000, 0x1000) if i != 0xD000]
    + [chr(max(i, 0x10000)) for i in range(0, 0x110000, 0x40000)]
)
_SPACES = "".join(
    f"{a}{b}{c}"
    for a in ("x", "1", "(", "中", "")
    for b in (" ", "  ", "   \n", "\r\n\r\n ", "\t \n\n\t")
    for c in "y2)文"
)

HARD_TEXT = "\n".join([_CODE, _SCRIPTS, _LEADS, _SPACES])

EDGES = (" x", "x ", "\t\n x", "x \r\n", "  ", "\n")
"""Pieces that begin or end with whitespace, as parts of code do: a tokenizer that strips a text loses it."""


def check_text(vocabulary: dict[bytes, int] | None = None) -> str:
    """Returns the text to compare on: this module's own source, the hard strings, and words of the vocabulary."""
    words = [] if vocabulary is None else list(vocabulary)
    # The longest, which are the oddest, and an even sample of all.
    sample = sorted(words, key=len)[-200:] + words[:: max(1, len(words) // 1500)]
    text = "\n".join(
        [
            Path(__file__).read_text(encoding="utf-8"),
            HARD_TEXT,
            *(word.decode("utf-8", "ignore") for word in sample),
        ]
    )
    return text.replace("▁", "_")


def first_difference(one: Encode, other: Encode, text: str) -> str | None:
    """Returns the first line on which two encoders differ, as Python would write it; None where none does."""
    if np.array_equal(one(text), other(text)):
        return None
    for line in text.splitlines(keepends=True):
        if not np.array_equal(one(line), other(line)):
            return repr(line if len(line) <= 60 else line[:57] + "…")
    return "line ends"


def first_loss(encode: Encode, decode_bytes: Callable[[Any], bytes], text: str) -> str | None:
    """Returns the first line that does not come back from its ids, as Python would write it; None where all do."""
    if decode_bytes(encode(text)) == text.encode():
        return None
    for line in text.splitlines(keepends=True):
        if decode_bytes(encode(line)) != line.encode():
            return repr(line if len(line) <= 60 else line[:57] + "…")
    return "line ends"


def word_starts(text: str) -> list[int]:
    """Returns the places of single spaces between visible ASCII characters."""
    return [match.start(1) for match in re.finditer(r"(?<=[!-~])( )(?=[!-~])", text)]


def splits_at_words(encode: Encode, text: str) -> bool:
    """Whether cutting `text` at each place of `word_starts`, and at one of them alone, leaves its ids as they are."""
    cuts, whole = word_starts(text), encode(text)
    parts = [encode(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    if not np.array_equal(np.concatenate(parts), whole):
        return False
    middle = cuts[len(cuts) // 2]
    return np.array_equal(np.concatenate([encode(text[:middle]), encode(text[middle:])]), whole)

"""Packed rows for people's eyes: `codetitan data inspect`."""

from collections.abc import Iterator
from itertools import groupby

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from codetitan.data.pieces.maker import Role
from codetitan.data.rows.loader import CodeDataLoader
from codetitan.data.rows.packing import Part, Sample
from codetitan.tokenizer.code_tokenizer import CodeTokenizer

STYLES = {
    Role.CODE: "",
    Role.METADATA: "cyan",
    Role.PREFIX: "green",
    Role.SUFFIX: "yellow",
    Role.MIDDLE: "bold magenta",
    Role.SENTINEL: "bold white on blue",
}


def visible(text: str) -> str:
    """Returns the text with whatever a terminal would obey, or would not show, written out: control characters but line
    end and tab, and marks that change the direction of writing."""
    return "".join(
        c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"
        for c in text
    )


def legend() -> Text:
    """Returns the roles in their colours."""
    words = [(f" {role.name.lower()} ", style) for role, style in STYLES.items()]
    return Text.assemble(*(item for word in words for item in (word, " ")))


def _part(part: Part, tokenizer: CodeTokenizer) -> Text:
    ids = part.piece.ids[part.start : part.stop + 1].tolist()
    roles = part.piece.role_of_each()[part.start : part.stop + 1].tolist()
    text = Text()
    at = 0
    for role, run in groupby(roles):
        n = sum(1 for _ in run)
        text.append(visible(tokenizer.decode(ids[at : at + n])), STYLES[Role(role)])
        at += n
    return text


def show(sample: Sample, title: str, seq_len: int, tokenizer: CodeTokenizer) -> RenderableType:
    """Returns a row as rich draws it: a rule with what it holds, then each piece under a rule with its document."""
    used = sum(part.stop - part.start for part in sample)
    pieces = "piece" if len(sample) == 1 else "pieces"
    lines: list[RenderableType] = [
        Rule(f"{title}: {len(sample)} {pieces}, {100 * (1 - used / seq_len):.1f} % padding", characters="═")
    ]
    for part in sample:
        holes = f", hole: {', '.join(part.piece.holes)}" if part.piece.holes else ""
        cut = "" if part.stop - part.start == part.piece.size else ", cut by the sample"
        name = f"{part.piece.name} ({part.stop - part.start} tokens{holes}{cut})"
        lines += [Rule(Text(visible(name)), align="left", style="dim"), _part(part, tokenizer)]
    return Group(*lines)


def rows(loader: CodeDataLoader, tokenizer: CodeTokenizer, seq_len: int, n: int) -> Iterator[RenderableType]:
    """Yields the first `n` rows that a single rank serves, step by step, as rich draws them."""
    step, row = 1, 0
    for samples in loader.samples():
        for sample in samples:
            if n == 0 or loader.exhausted:
                return
            yield show(sample, f"step {step}, row {row}", seq_len, tokenizer)
            n, row = n - 1, row + 1
            if row == loader.rows:
                step, row = step + 1, 0

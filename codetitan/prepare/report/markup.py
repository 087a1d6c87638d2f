"""HTML of what anybody may have written: paths, texts, names of licences and repositories."""

import html
import re
from collections.abc import Iterable, Sequence

# What shows as nothing, or turns the text around it: control characters but for line feeds and tabs, marks of
# direction (arXiv 2111.00169, "Trojan Source"), and halves of characters.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def escaped(text: object) -> str:
    """Returns a text as HTML, in which nothing is markup and each character can be seen."""
    return html.escape(_HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", str(text)))


def table(head: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], kind: str = "") -> str:
    """Returns a table, whose first column is words and whose others are numbers.

    Args:
        head: of the columns, as HTML.
        rows: (class, cells as HTML).
        kind: class of the table.
    """
    lines = [f'<div class="wide"><table class="{kind}"><thead><tr>']
    lines += [f'<th scope="col">{cell}</th>' for cell in head]
    lines.append("</tr></thead><tbody>")
    for style, cells in rows:
        first, *others = cells
        lines.append(f'<tr class="{style}"><th scope="row">{first}</th>' + "".join(f"<td>{c}</td>" for c in others))
        lines.append("</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])


def share_bar(part: float, whole: float) -> str:
    """Returns a share in per cent with a bar as long as it is."""
    share = 100 * part / whole if whole else 0.0
    return f'<span class="share"><i style="width:{share:.1f}%"></i></span>{share:.1f} %'

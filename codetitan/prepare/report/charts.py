"""Histograms as inline SVG: drawn here, for a page that needs no library and no network."""

from collections.abc import Sequence
from dataclasses import dataclass

from codetitan.prepare.report.markup import escaped

_SERIES = ("#b6c2cf", "#1a7f4b")  # from back to front; one alone is drawn in _ONE
_ONE, _SOFT, _AXIS, _MARK = "#6e8bb0", "#59636e", "#8c959f", "#b5483a"
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 360, 150, 44, 22, 12


@dataclass(frozen=True)
class Bar:
    """What stands over one place of the axis.

    Attributes:
        values: of each series, from back to front.
        title: what is said when it is pointed at.
    """

    values: tuple[float, ...]
    title: str


def short(number: float) -> str:
    """Returns a number for an axis: 0.75, 12k, 3M."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def histogram(
    title: str, bars: Sequence[Bar], ticks: Sequence[tuple[float, str]], marks: Sequence[tuple[float, str]] = ()
) -> str:
    """Returns an SVG.

    Args:
        title: for who can't see it.
        bars: from left to right, each one unit wide.
        ticks: (place in units, label) below the axis.
        marks: (place, label) of vertical lines, such as a threshold.
    """
    most = max((max(bar.values) for bar in bars), default=0) or 1
    step = (_WIDTH - _LEFT - 8) / max(1, len(bars))
    height = _HEIGHT - _TOP - _BOTTOM
    base = _HEIGHT - _BOTTOM

    def x(place: float) -> float:
        return round(_LEFT + place * step, 1)

    def label(place: float, height: float, anchor: str, text: str, fill: str = _SOFT) -> str:
        return f'<text x="{place}" y="{height}" text-anchor="{anchor}" fill="{fill}">{escaped(text)}</text>'

    # Colours and sizes are attributes, not the page's styles: each picture is whole when it is copied out of it.
    lines = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escaped(title)}" font-size="10" '
        'font-family="system-ui, sans-serif">',
        f'<path d="M{_LEFT} {base}H{_WIDTH - 8}" stroke="{_AXIS}"/>',
        label(_LEFT - 4, _TOP + 8, "end", short(most)),
        label(_LEFT - 4, base, "end", "0"),
    ]
    for number, bar in enumerate(bars):
        lines.append(f"<g><title>{escaped(bar.title)}</title>")
        for series, value in enumerate(bar.values):
            tall = round(height * value / most, 1)
            # A single file among a million is still seen.
            tall = max(tall, 1.0) if value else 0.0
            lines.append(
                f'<rect x="{x(number)}" y="{base - tall:.1f}" width="{max(1.0, step - 1):.1f}" height="{tall}" '
                f'fill="{_SERIES[series] if len(bar.values) > 1 else _ONE}"/>'
            )
        lines.append("</g>")
    lines += [label(x(place), _HEIGHT - 8, "middle", text) for place, text in ticks]
    for place, text in marks:
        lines.append(
            f'<path d="M{x(place)} {_TOP}V{base}" stroke="{_MARK}" stroke-width="1.5" stroke-dasharray="3 2"/>'
        )
        lines.append(label(x(place), _TOP - 2, "end" if x(place) > _WIDTH / 2 else "start", text, _MARK))
    return "\n".join([*lines, "</svg>"])

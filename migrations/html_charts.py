"""HTML charts: figures as drawings that scale, each with a title and its numbers in a table."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from migrations.histogram import Histogram

_SHOWN_CHARACTERS = 200
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}

_WIDTH = 640
_WIDEST_STEP = 80
_NARROWEST_STEP = 40
_BAR_SHARE = 0.75
_HEIGHT = 200
_ABOVE = 22
_BELOW = 40
_ROW_HEIGHT = 40
_VISIBLE = 1.5
"""The least height of what is not nothing."""

_EXACT_BELOW = 10_000
_UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


def shown(text: object) -> str:
    """Any text as HTML: nothing in it is markup, and what is invisible or turns text is spelt."""
    told = "".join(
        f"\\u{{{ord(character):x}}}"
        if unicodedata.category(character) in _HIDDEN_CATEGORIES
        else character
        for character in str(text)[:_SHOWN_CHARACTERS]
    )
    return escape(told) + ("…" if len(str(text)) > _SHOWN_CHARACTERS else "")


def short(number: int) -> str:
    """A number that fits over a bar: `9,999`, `12.3k`, `4.57M`."""
    if number < _EXACT_BELOW:
        return f"{number:,}"
    size, letter = next((size, letter) for size, letter in _UNITS if number >= size)
    return f"{number / size:.3g}{letter}"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a chart and of its table."""

    label: str
    kind: str
    """A class of the style sheet."""
    count: int


def histogram_figure(name: str, title: str, unit: str, whose: str, histogram: Histogram) -> str:
    """Upright bars, one for each bucket, and their table; `name` is unique on its page."""
    rows = [
        (_range(bucket.first, bucket.last), bucket.count)
        for bucket in histogram.buckets
        if bucket.count
    ]
    table = _table(title, (unit, whose), ((label, f"{count:,}") for label, count in rows))
    return f"<figure>{_upright_bars(name, title, unit, histogram)}{table}</figure>"


def rows_figure(name: str, title: str, rows: Sequence[Row]) -> str:
    """Lying bars, the largest first, and their table; `name` is unique on its page."""
    ordered = sorted(rows, key=lambda row: -row.count)
    table = _table(
        title,
        ("outcome", "kind", "records"),
        (
            (row.label, f'<span class="dot {row.kind}">{row.kind}</span>', f"{row.count:,}")
            for row in ordered
        ),
    )
    return f"<figure>{_lying_bars(name, title, ordered)}{table}</figure>"


def share_bar(name: str, title: str, rows: Sequence[Row]) -> str:
    """One bar that falls into its parts; its numbers stand elsewhere on the page."""
    total = sum(row.count for row in rows)
    at = 0.0
    parts: list[str] = []
    for row in rows:
        width = 1000 * row.count / max(total, 1)
        parts.append(
            f'<rect class="{row.kind}" x="{at:.1f}" y="0" width="{width:.1f}" height="16">'
            f"<title>{shown(row.label)}: {row.count:,}</title></rect>"
        )
        at += width
    described = "; ".join(f"{row.label}: {row.count:,}" for row in rows)
    track = '<rect class="track" x="0" y="0" width="1000" height="16"/>'
    return _drawing(name, title, described, (1000, 16), [track, *parts], stretches=True)


def _upright_bars(name: str, title: str, unit: str, histogram: Histogram) -> str:
    bars = max(1, len(histogram.buckets))
    step = min(_WIDEST_STEP, max(_NARROWEST_STEP, _WIDTH // bars))
    width, bar_width = max(_WIDTH, step * bars), round(step * _BAR_SHARE)
    highest = max((bucket.count for bucket in histogram.buckets), default=0)
    floor = _ABOVE + _HEIGHT
    parts: list[str] = []
    for number, bucket in enumerate(histogram.buckets):
        x = number * step
        middle = x + bar_width / 2
        parts.append(
            f'<text x="{middle}" y="{floor + 17}" text-anchor="middle">{short(bucket.first)}</text>'
        )
        if not bucket.count:
            continue
        height = max(_VISIBLE, _HEIGHT * bucket.count / highest)
        y = floor - height
        told = f"{_range(bucket.first, bucket.last)} {unit}: {bucket.count:,}"
        parts.append(
            f'<rect class="bar" x="{x}" y="{y:.1f}" width="{bar_width}" height="{height:.1f}"'
            f' rx="2"><title>{told}</title></rect>'
            f'<text class="count" x="{middle}" y="{y - 6:.1f}" text-anchor="middle">'
            f"{short(bucket.count)}</text>"
        )
    parts.append(f'<line class="axis" x1="0" x2="{width}" y1="{floor + 0.5}" y2="{floor + 0.5}"/>')
    parts.append(
        f'<text x="0" y="{floor + _BELOW - 4}">'
        f"{shown(unit)}, from each number up to the next</text>"
    )
    described = (
        f"{histogram.count:,} in all, {histogram.mean:,.1f} on average,"
        f" {histogram.largest:,} at most."
    )
    return _drawing(name, title, described, (width, floor + _BELOW), parts)


def _lying_bars(name: str, title: str, rows: Sequence[Row]) -> str:
    longest = max((row.count for row in rows), default=0)
    parts: list[str] = []
    for number, row in enumerate(rows):
        y = number * _ROW_HEIGHT
        width = max(_VISIBLE, _WIDTH * row.count / max(longest, 1)) if row.count else 0
        parts.append(
            f'<text class="count" x="0" y="{y + 13}">{shown(row.label)}</text>'
            f'<text x="{_WIDTH}" y="{y + 13}" text-anchor="end">{row.count:,}</text>'
            f'<rect class="track" x="0" y="{y + 20}" width="{_WIDTH}" height="8" rx="4"/>'
            f'<rect class="{row.kind}" x="0" y="{y + 20}" width="{width:.1f}" height="8" rx="4">'
            f"<title>{shown(row.label)}: {row.count:,}</title></rect>"
        )
    described = "; ".join(f"{row.label}: {row.count:,}" for row in rows)
    return _drawing(name, title, described, (_WIDTH, len(rows) * _ROW_HEIGHT - 8), parts)


def _drawing(
    name: str,
    title: str,
    described: str,
    size: tuple[int, int],
    parts: Iterable[str],
    *,
    stretches: bool = False,
) -> str:
    width, height = size
    how = ' preserveAspectRatio="none" class="share"' if stretches else ""
    return (
        f'<svg viewBox="0 0 {width} {height}"{how} role="img"'
        f' aria-labelledby="{name}-title {name}-text">'
        f'<title id="{name}-title">{shown(title)}</title>'
        f'<desc id="{name}-text">{shown(described)}</desc>{"".join(parts)}</svg>'
    )


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names its rows and whose last one has numbers."""
    last = len(heads) - 1
    head = "".join(
        f'<th scope="col"{_number(is_number=index == last)}>{shown(one)}</th>'
        for index, one in enumerate(heads)
    )
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(
            f"<td{_number(is_number=index == last)}>{cell}</td>"
            for index, cell in enumerate(row[1:], 1)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{shown(title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _number(*, is_number: bool) -> str:
    return ' class="number"' if is_number else ""


def _range(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"

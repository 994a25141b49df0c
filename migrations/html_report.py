"""HTML report: a run as one page that needs nothing but itself: no network, no script, no font."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from migrations.html_charts import Row, histogram_figure, rows_figure, share_bar, shown
from migrations.ledger_report import CodeFigures, LedgerReport, told_of
from migrations.outcomes import Outcome, OutcomeKind
from migrations.report import told_of_retold

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Even if something of a source got into the page as markup, nothing would load or run."""

_FOLDED, _SKIPPED, _REJECTED = OutcomeKind.FOLDED, OutcomeKind.SKIPPED, OutcomeKind.REJECTED


def to_html(report: LedgerReport) -> str:
    """The report as a page for browsers, for the screen and for paper."""
    return "\n".join(_page(report))


def _page(report: LedgerReport) -> Iterator[str]:
    title = f"{report.job} {report.run_id}"
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield '<head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{shown(title)}</title>"
    yield f"<style>{_style()}</style></head>"
    yield "<body>"
    yield from _head(report)
    yield "<main>"
    yield from _outcomes(report)
    yield from _sizes(report)
    yield from _sessions(report)
    yield from _notable(report)
    yield from _course(report)
    yield "</main>"
    yield (
        f"<footer>Made from the ledger of the run alone, by Chatfold {shown(report.code_version)}."
        " Records of users who were erased since are counted, not named.</footer>"
    )
    yield "</body></html>"


@cache
def _style() -> str:
    return files("migrations").joinpath("html_report.css").read_text(encoding="utf-8")


def _head(report: LedgerReport) -> Iterator[str]:
    state = report.state.replace("_", " ")
    yield (
        f'<header><p class="quiet">{shown(report.job)}</p>'
        f'<h1>Run {shown(report.run_id)} <span class="state">{shown(state)}</span></h1>'
        f'<p class="quiet">of <bdi class="id">{shown(report.source)}</bdi></p>'
    )
    total = report.folded + report.skipped + report.rejected
    read = report.records_read
    estimate = report.estimate_told
    yield '<dl class="tiles">'
    yield _tile("records read", f"{total if read is None else read:,}")
    yield _tile("folded", f"{report.folded:,}", _share(report.folded, total), "folded")
    yield _tile("skipped", f"{report.skipped:,}", _share(report.skipped, total), "skipped")
    yield _tile("rejected", f"{report.rejected:,}", _share(report.rejected, total), "rejected")
    yield _tile("sessions", f"{sum(report.sessions.values()):,}")
    yield _tile("users", f"{report.users:,}")
    yield _tile("messages added", f"{report.messages_added:,}", f"{report.late:,} of them late")
    yield _tile("took", _duration(report.seconds), estimate and f"estimated: {estimate}")
    yield "</dl></header>"


def _tile(name: str, value: str, more: str | None = None, kind: str = "") -> str:
    label = f'<span class="dot {kind}">{shown(name)}</span>' if kind else shown(name)
    small = "" if more is None else f"<small>{shown(more)}</small>"
    return f"<div><dt>{label}</dt><dd>{shown(value)}{small}</dd></div>"


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "none"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _outcomes(report: LedgerReport) -> Iterator[str]:
    yield '<section aria-labelledby="outcomes"><h2 id="outcomes">What became of the records</h2>'
    if report.records_read is None:
        yield '<p class="quiet">The run is not at its end; this is what it has done so far.</p>'
    else:
        yield (
            f'<p class="quiet">{report.records_read:,} read = {report.folded:,} folded'
            f" + {report.skipped:,} skipped + {report.rejected:,} rejected; blank lines:"
            f" {report.blank_lines:,}; of sessions that were not asked for: {report.outside:,}.</p>"
        )
    kinds = [
        Row("folded", _FOLDED, report.folded),
        Row("skipped", _SKIPPED, report.skipped),
        Row("rejected", _REJECTED, report.rejected),
    ]
    yield share_bar("shares", "Folded, skipped and rejected records", kinds)
    rows = [Row("folded", _FOLDED, report.folded)]
    rows += [Row(_words(one.code), one.kind, one.count) for one in report.reasons]
    yield rows_figure("reasons", "Outcomes by reason", rows)
    yield "</section>"


def _notable(report: LedgerReport) -> Iterator[str]:
    notable = [figures for figures in (*report.reasons, *report.findings) if figures.examples]
    if not notable:
        return
    yield '<section aria-labelledby="notable"><h2 id="notable">Records to look at</h2>'
    yield '<p class="quiet">A few of each kind, and what is odd about those that were folded.</p>'
    for figures in notable:
        yield from _examples(figures)
    yield "</section>"


def _examples(figures: CodeFigures) -> Iterator[str]:
    kind = shown(figures.kind)
    yield (
        f'<h3><span class="dot {kind}">{shown(_words(figures.code))}</span></h3>'
        f'<table class="examples"><caption>{len(figures.examples)} of {figures.count:,} records,'
        f" {kind}</caption>"
        '<thead><tr><th scope="col">where</th><th scope="col">which</th></tr></thead><tbody>'
    )
    for example in figures.examples:
        yield f'<tr><th scope="row">{shown(example.place)}</th><td>{_which(example)}</td></tr>'
    yield "</tbody></table>"


def _which(example: Outcome) -> str:
    return f"<bdi>{shown(told_of(example)) or 'its session is not known'}</bdi>"


def _sizes(report: LedgerReport) -> Iterator[str]:
    for name, title, unit, histogram, whose in (
        ("messages", "Messages per session", "messages", report.messages_per_session, "sessions"),
        ("sessions", "Sessions per user", "sessions", report.sessions_per_user, "users"),
    ):
        yield (
            f'<section aria-labelledby="{name}-heading"><h2 id="{name}-heading">{title}</h2>'
            f'<p class="quiet">{histogram.count:,} {whose}: {histogram.mean:,.1f} {unit} on'
            f" average, {histogram.largest:,} at most.</p>"
        )
        if histogram.count:
            yield histogram_figure(name, title, unit, whose, histogram)
        yield "</section>"


def _sessions(report: LedgerReport) -> Iterator[str]:
    yield '<section aria-labelledby="states"><h2 id="states">What became of the sessions</h2>'
    yield _counts_table("Sessions by what the run did with them", report.sessions)
    if report.retold:
        yield f"<p>{shown(told_of_retold(report.retold))}.</p>"
    if report.rollback is not None:
        yield "<h3>Rolled back</h3>"
        yield _counts_table("Sessions by what the rollback did with them", report.rollback.sessions)
        if report.rollback.left:
            yield "<p>Some were left alone, among them:</p><ul>"
            for left in report.rollback.left:
                yield (
                    f'<li><bdi class="id">{shown(left["session_id"])}</bdi> of'
                    f' <bdi class="id">{shown(left["user_id"])}</bdi>: {shown(left["why"])}</li>'
                )
            yield "</ul>"
    yield "</section>"


def _counts_table(caption: str, counts: Mapping[str, int]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{shown(_words(name))}</th><td class="number">{count:,}</td></tr>'
        for name, count in counts.items()
    )
    return (
        f'<table class="states"><caption>{shown(caption)}</caption>'
        '<thead><tr><th scope="col">state</th><th scope="col" class="number">sessions</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _course(report: LedgerReport) -> Iterator[str]:
    yield '<section aria-labelledby="course"><h2 id="course">The course of the run</h2>'
    yield '<dl class="facts">'
    for name, value in _facts(report):
        yield f'<dt>{shown(name)}</dt><dd><bdi class="id">{shown(value)}</bdi></dd>'
    yield "</dl></section>"


def _facts(report: LedgerReport) -> Iterator[tuple[str, Any]]:
    yield "began", report.began_at
    yield "ended", report.ended_at or "not yet"
    yield "verified", report.verified_at or "not yet"
    yield "format", report.format
    for name, value in report.options.items():
        yield _words(name), value
    if report.finish is None:
        yield "source", "in its place"
        return
    yield "finish", f"{report.finish['manner']}, {report.finish['stage']}, {report.finish['at']}"
    for name in ("records_removed", "records_left", "aside", "backup"):
        if report.finish.get(name) is not None:
            yield _words(name), report.finish[name]


def _words(code: str) -> str:
    return code.replace("_", " ")

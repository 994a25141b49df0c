"""The report of a run tells all that its ledger knows, for people, programs and browsers."""

import json
import re
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identity import SessionKey
from app.errors import UnknownRunError
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from app.store.sqlite.store import SQLiteStore
from migrations.finish import finish
from migrations.finish_record import FinishManner
from migrations.histogram import Bucket, HistogramBuilder
from migrations.html_charts import short, shown
from migrations.html_report import to_html
from migrations.jobs.group_messages import GROUP_MESSAGES
from migrations.ledger import BatchEntry, BatchRecord, BatchState, Counts, SessionRecord, new_run
from migrations.ledger_report import LedgerReport, ledger_report
from migrations.report import to_json
from migrations.rollback import roll_back
from tests.factories import make_message
from tests.fake_clock import START, FakeClock
from tests.migrations.sources import at, document, fold, write_source
from tests.migrations.test_finish import proven
from tests.migrations.test_session_documents_are_folded import folded
from tests.migrations.test_session_documents_are_folded import message as said
from tests.migrations.test_session_documents_are_folded import session as told

HOSTILE = "\"><script>alert(1)</script>&amp;\u202e\x07 https://evil.example/'</title></svg>"
VOID = {"meta", "line", "rect"}


def session(user_id: str, session_id: str, count: int) -> list[dict[str, Any]]:
    return [
        document(f"m{n}", f"text {n}", created_at=at(n), session_id=session_id, user_id=user_id)
        for n in range(count)
    ]


SOURCE: list[dict[str, Any] | bytes] = [
    *session("ada", "s1", 1),
    *session("ada", "s2", 2),
    *session("ada", "s3", 3),
    *session("bob", "s1", 20),
    *session("ada", "s1", 1),
    {**document("odd", session_id="s2", created_at=at(9)), "content": None},
    *[document("bad", created_at="never")] * 4,
    b"no JSON",
    b"",
]


async def reported(
    store: SessionStore, folder: Path, *, part_records: int = 50_000
) -> LedgerReport:
    run = await fold(
        write_source(folder / "source.jsonl", SOURCE), store, part_records=part_records
    )
    return await ledger_report(store, run.run_id)


class Page(HTMLParser):
    """A page that must be well-formed, and what it holds."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID or (tag == "rect" and not self._is_closed()):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.tags.append((tag, dict(attrs)))

    def _is_closed(self) -> bool:
        return (self.get_starttag_text() or "").endswith("/>")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


async def test_it_counts_what_the_run_has_done(store: SessionStore, tmp_path: Path) -> None:
    report = await reported(store, tmp_path)

    assert (report.records_read, report.folded, report.skipped, report.rejected) == (33, 27, 1, 5)
    assert [(one.code, one.kind, one.count) for one in report.reasons] == [
        ("exact_duplicate", "skipped", 1),
        ("invalid_created_at", "rejected", 4),
        ("malformed_json", "rejected", 1),
    ]
    assert [len(one.examples) for one in report.reasons] == [1, 3, 1]
    assert [(one.code, one.count) for one in report.findings] == [("null_content", 1)]
    assert report.sessions == {"created": 4, "completed": 0, "unchanged": 0, "refused": 0}
    assert (report.users, report.messages_added, report.blank_lines) == (2, 27, 1)
    assert report.sessions_per_user.buckets == [Bucket(1, 1, 1), Bucket(2, 3, 1)]
    assert report.messages_per_session.buckets == [
        Bucket(1, 1, 1),
        Bucket(2, 3, 2),
        Bucket(4, 7, 0),
        Bucket(8, 15, 0),
        Bucket(16, 31, 1),
    ]
    assert report.has_findings


async def test_a_session_in_parts_is_one_session(tmp_path: Path) -> None:
    report = await reported(MemoryStore(), tmp_path, part_records=3)

    assert report.sessions["created"] == 4
    assert (report.messages_per_session.count, report.messages_per_session.largest) == (4, 20)
    assert (report.sessions_per_user.count, report.sessions_per_user.total) == (2, 4)


async def test_a_repeated_run_tells_of_the_same_sizes(tmp_path: Path) -> None:
    store = MemoryStore()
    first = await reported(store, tmp_path)

    again = await reported(store, tmp_path)

    assert again.sessions == {"created": 0, "completed": 0, "unchanged": 4, "refused": 0}
    assert again.messages_per_session == first.messages_per_session
    assert (again.messages_added, again.folded) == (0, 27)


async def test_what_a_source_says_of_sessions_is_no_message_of_them(
    store: SessionStore, tmp_path: Path
) -> None:
    messages = [said(f"m{number}", "text") for number in range(3)]
    documents = [told(*messages), told(said("n", "text"), id="s2"), told(id="s3", created_at=at(0))]
    await folded(tmp_path, store, told(*messages[:2]), *documents[1:])
    await store.delete(SessionKey("ada", "s2"), START)

    run, _ = await folded(tmp_path, store, *documents)

    report = await ledger_report(store, run.run_id)
    assert report.sessions == {"created": 0, "completed": 1, "unchanged": 1, "refused": 1}
    assert report.messages_per_session.buckets[0] == Bucket(0, 0, 1)
    assert (report.messages_per_session.count, report.messages_per_session.total) == (2, 3)


async def test_an_erased_user_is_counted_and_not_named(store: SessionStore, tmp_path: Path) -> None:
    named = await reported(store, tmp_path)
    assert "ada" in to_html(named)
    await store.erase_user("ada", START)

    report = await ledger_report(store, named.run_id)

    assert (report.folded, report.users) == (27, 1)
    assert report.sessions["created"] == 4
    assert "ada" not in to_json(report) + report.to_text() + to_html(report)


async def test_a_run_that_nobody_knows_is_an_error(store: SessionStore) -> None:
    with pytest.raises(UnknownRunError):
        await ledger_report(store, "unknown")


async def test_it_reads_well_as_text(tmp_path: Path) -> None:
    report = await reported(MemoryStore(), tmp_path)

    told = report.to_text()

    assert told.splitlines()[2:] == [
        "records read: 33 = 27 folded + 1 skipped + 5 rejected (blank lines: 1)",
        "messages added: 27, 0 of them late",
        "sessions: 4 created, 0 completed, 0 unchanged, 0 refused",
        "users: 2",
        "sessions per user: 2.0 on average, 3 at most",
        "messages per session: 6.8 on average, 20 at most",
        "skipped, exact_duplicate: 1",
        "    line 27: session 's1', user 'ada', message 'm0', kept is line 1",
        "rejected, invalid_created_at: 4",
        *(
            f"    line {line}: The date is neither ISO 8601 nor a time since 1970."
            for line in (29, 30, 31)
        ),
        "rejected, malformed_json: 1",
        "    line 33: The record is not JSON in UTF-8.",
        "folded, null_content: 1",
        "    line 28: session 's2', user 'ada', message 'odd'",
        "verified: no",
    ]


async def test_programs_get_the_same(tmp_path: Path) -> None:
    report = await reported(MemoryStore(), tmp_path)

    told = json.loads(to_json(report))

    assert told["reasons"][1]["count"] == 4
    assert told["reasons"][1]["examples"][0]["place"] == "line 29"
    assert told["messages_per_session"]["buckets"][0] == {"first": 1, "last": 1, "count": 1}
    assert told["has_findings"] is True


async def test_the_page_is_whole_and_needs_nothing_else(tmp_path: Path) -> None:
    report = await reported(MemoryStore(), tmp_path)

    html = to_html(report)

    page = Page(html)
    assert page.count("h1") == 1
    assert [page.count(tag) for tag in ("svg", "figure", "section")] == [4, 3, 6]
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "a"}
    assert not {name for _, members in page.tags for name in members} & {"src", "href", "style"}
    assert not any(name.startswith("on") for _, members in page.tags for name in members)
    assert re.findall(r"https?:|url\(|@import|//\w", html) == []
    assert "default-src 'none'" in html


async def test_every_drawing_has_a_title_and_every_chart_a_table(tmp_path: Path) -> None:
    html = to_html(await reported(MemoryStore(), tmp_path))

    page = Page(html)
    ids = [members["id"] for _, members in page.tags if "id" in members]
    assert len(ids) == len(set(ids))
    for tag, members in page.tags:
        if tag == "svg":
            assert members["role"] == "img"
            assert set((members["aria-labelledby"] or "").split()) <= set(ids)
        if "aria-labelledby" in members and tag == "section":
            assert members["aria-labelledby"] in ids
    for figure in re.findall("<figure>.*?</figure>", html, re.DOTALL):
        assert figure.count("<svg") == figure.count("<table") == figure.count("<caption") == 1
        assert 'scope="row"' in figure
    assert '<td class="number">4</td>' in html


async def test_hostile_names_are_only_text(store: SessionStore, tmp_path: Path) -> None:
    hostile = session(f"u{HOSTILE}".replace("\x07", ""), f"s{HOSTILE}", 2)
    odd = [{**hostile[0], "id": HOSTILE, "created_at": "2024-01-01T12:00:00"}]
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    folder.mkdir()
    run = await fold(write_source(folder / "source.jsonl", [*hostile, *hostile[:1], *odd]), store)
    html = to_html(await ledger_report(store, run.run_id))

    page = Page(html)

    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert "".join(page.text).count("<script>alert(1)</script>") >= 2
    assert "<img src=x onerror=alert(1)>" in "".join(page.text)
    assert "\u202e" not in html
    assert page.count("svg") == 4


@given(text=st.text())
def test_any_text_is_shown_as_text(text: str) -> None:
    told = shown(text)

    assert not set(told) & set("<>\"'\u202e\0\x1b")
    page = Page(f"<p>{told}</p>")
    assert [tag for tag, _ in page.tags] == ["p"]


def test_long_text_is_cut() -> None:
    assert shown("<" * 1000) == "&lt;" * 200 + "…"


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0"), (9999, "9,999"), (12_345, "12.3k"), (4_567_890, "4.57M"), (10**11, "100G")],
)
def test_numbers_over_bars_are_short(number: int, told: str) -> None:
    assert short(number) == told


@given(numbers=st.lists(st.integers(0, 10**7)))
def test_a_histogram_counts_every_number_once(numbers: list[int]) -> None:
    builder = HistogramBuilder()
    for number in numbers:
        builder.add(number)

    histogram = builder.histogram()

    assert sum(bucket.count for bucket in histogram.buckets) == histogram.count == len(numbers)
    assert (histogram.total, histogram.largest) == (sum(numbers), max(numbers, default=0))
    for bucket in histogram.buckets:
        assert bucket.count == sum(bucket.first <= one <= bucket.last for one in numbers)


async def test_a_run_without_records_has_a_page(tmp_path: Path) -> None:
    store = MemoryStore()
    run = await fold(write_source(tmp_path / "source.jsonl", []), store)

    report = await ledger_report(store, run.run_id)

    assert Page(to_html(report)).count("figure") == 1
    assert not report.has_findings


async def test_a_run_under_way_has_a_page() -> None:
    store = MemoryStore()
    ledger = await new_run(store, FakeClock(), "abc", **RUN)

    report = await ledger_report(store, ledger.run_id)

    assert "not at its end" in to_html(report)
    assert "records 0 folded" in report.to_text()


async def test_what_came_after_the_run_is_told(tmp_path: Path) -> None:
    store = MemoryStore()
    path = write_source(tmp_path / "source.jsonl", SOURCE)
    ledger = await proven(path, store)
    folder = tmp_path / "backups"
    await finish(ledger, GROUP_MESSAGES, str(path), FinishManner.REMOVE, backup_folder=folder)
    finished = await ledger_report(store, ledger.run_id)
    await store.append(SessionKey("ada", "s1"), [make_message("new")], at=START)
    await roll_back(ledger, store)

    rolled_back = await ledger_report(store, ledger.run_id)

    assert "finish: remove, done" in finished.to_text()
    assert f"source.jsonl.{ledger.run_id}.gz" in to_html(finished)
    assert finished.verified_at is not None
    assert rolled_back.rollback is not None
    assert rolled_back.rollback.sessions == {"removed": 3, "left": 1}
    assert "rolled back: " in rolled_back.to_text()
    assert "    left alone: session 's1' of 'ada': Its user" in rolled_back.to_text()
    assert "Its user has written to it since." in "".join(Page(to_html(rolled_back)).text)


RUN: dict[str, Any] = {
    "job": "group-messages",
    "format": "message-documents",
    "source": "source.jsonl",
    "options": {},
    "part_records": 10_000,
    "fingerprint": None,
}


async def peak_bytes(folder: Path, batches: int) -> int:
    """What a report of so many batches needs at most, of sessions and users that are all others."""
    store = await SQLiteStore.open(folder / f"{batches}.db")
    ledger = await new_run(store, FakeClock(), f"of-{batches}", **RUN)
    for number in range(1, batches + 1):
        sessions = {
            SessionKey(f"user {number}-{one}", "s"): SessionRecord(
                session_id="s", generation="g", state="created", message_count=9, folded=[number]
            )
            for one in range(50)
        }
        record = BatchRecord(state=BatchState.DONE, counts=Counts(folded=50))
        await ledger.write(BatchEntry(number, record, sessions))
    tracemalloc.start()
    report = await ledger_report(store, ledger.run_id)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await store.aclose()
    assert report.users == 50 * batches
    return peak


async def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    await peak_bytes(tmp_path, 20)  # fills the caches that last

    small = await peak_bytes(tmp_path, 40)
    large = await peak_bytes(tmp_path, 200)

    assert large < 1.2 * small

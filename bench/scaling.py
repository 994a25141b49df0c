"""`python -m bench.scaling`: the tables of docs/scaling.md that are plain arithmetic."""

from dataclasses import dataclass
from functools import cache

from bench.markdown import table
from bench.request_units import KILOBYTE, delete, insert, read, replace
from bench.session_layout import (
    CHATS,
    DEFAULT_BUDGET_BYTES,
    EMPTY_HEAD_BYTES,
    PEAK_PER_SECOND,
    SESSIONS_PER_USER,
    GrowingSession,
    Index,
    grown,
    indexes,
    mean_session,
)

MESSAGES = tuple(10**power for power in range(6, 11))
BUDGETS = tuple(2**power * 1024 for power in range(4, 9))
_GIGABYTE = 10**9
_MEGABYTE = 10**6
_WHOLE_GIGABYTES = 100
"""From here on a decimal says nothing."""
_MEMBERS = 3
_DOCUMENT_LIMIT_BYTES = 16 * 1024 * 1024
_LENGTHS = (10, 100, 1_000, 10_000, 100_000)
_USUAL_LENGTH = 200
"""Of the session whose operations are counted in request units."""
_NOTE_BYTES = 500
_HEADER_BYTES = 1_000
"""A session's header where every message is a document of its own."""


# --- documents, bytes, indexes ------------------------------------------------------------------


def magnitudes() -> str:
    """Documents and bytes at each order of magnitude."""
    mean = mean_session()
    index_bytes = sum(one.entries * one.short_bytes for one in indexes())
    rows = []
    for messages in MESSAGES:
        sessions = messages / mean.messages
        documents = sessions * (mean.head_bytes + mean.segment_bytes)
        on_disk = documents * CHATS.compressed + sessions * index_bytes
        rows.append(
            (
                f"{messages:,}",
                f"{sessions / SESSIONS_PER_USER:,.0f}",
                f"{sessions:,.0f}",
                f"{sessions * mean.segments:,.0f}",
                _gigabytes(sessions * mean.head_bytes),
                _gigabytes(sessions * mean.segment_bytes),
                _gigabytes(sessions * index_bytes),
                _gigabytes(on_disk),
                _gigabytes(on_disk * _MEMBERS),
            )
        )
    header = (
        "messages",
        "users",
        "heads",
        "segments",
        "heads, GB",
        "segments, GB",
        "indexes, GB",
        "on disk, GB",
        f"on {_MEMBERS} members, GB",
    )
    return table(header, rows)


def index_sizes(messages: int = 10**9) -> str:
    """Each index at a billion messages."""
    sessions = messages / mean_session().messages

    def row(index: Index) -> tuple[str, ...]:
        entries = sessions * index.entries
        return (
            f"{index.collection}: `{index.keys}`",
            f"{entries / 10**6:,.1f}",
            f"{index.key_bytes:.0f}",
            _gigabytes(entries * index.key_bytes),
            f"{index.short_bytes:.0f}",
            _gigabytes(entries * index.short_bytes),
        )

    header = ("index", "entries, millions", "bytes each", "GB", "prefixes shared", "GB")
    return table(header, map(row, indexes()))


def rates() -> str:
    """What the busiest hours write, in all shards together."""
    mean = mean_session()
    rows = []
    for messages in MESSAGES:
        appends = messages * PEAK_PER_SECOND
        each = appends / mean.messages
        rows.append(
            (
                f"{messages:,}",
                f"{appends:,.1f}",
                f"{each * mean.seals:,.2f}",
                f"{appends * CHATS.message_bytes / _MEGABYTE:,.2f}",
                f"{each * mean.rewritten_bytes / _MEGABYTE:,.1f}",
                f"{each * mean.copied * CHATS.sealed_message_bytes / _MEGABYTE:,.2f}",
            )
        )
    header = (
        "messages",
        "appends/s",
        "seals/s",
        "new, MB/s",
        "heads changed, MB/s",
        "segments, MB/s",
    )
    return table(header, rows)


def write_amplification() -> str:
    """What an append rewrites, with segments and without."""
    rows = []
    for length in _LENGTHS:
        life = _life(length, DEFAULT_BUDGET_BYTES)
        whole = EMPTY_HEAD_BYTES + length * CHATS.message_bytes
        rows.append(
            (
                f"{length:,}",
                _kilobytes(life.last_head_bytes),
                f"{life.last_head_bytes / CHATS.message_bytes:,.0f}",
                f"{len(life.session.segments):,}",
                f"{life.session.copied / length:.1f}",
                _kilobytes(whole) if whole <= _DOCUMENT_LIMIT_BYTES else "refused: over 16 MiB",
            )
        )
    header = (
        "messages in the session",
        "head, kB",
        "÷ a message",
        "segments",
        "copies in segments, each message",
        "one document instead, kB",
    )
    return table(header, rows)


# --- request units ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Life:
    """A session's growth to some length, message by message."""

    session: GrowingSession
    append_units: float
    """The mean of all appends, with what sealing costs them."""
    head_bytes: float
    """The mean over all appends."""
    last_head_bytes: float
    """The mean over the last tenth of them."""


@cache
def _life(length: int, budget_bytes: int) -> Life:
    session = grown(0, budget_bytes)
    heads: list[float] = []
    units = 0.0
    for _ in range(length):
        units += replace(session.head_bytes)
        session.append()
        heads.append(session.head_bytes)
    last = heads[-max(1, length // 10) :]
    return Life(
        session,
        (units + _sealing_units(session)) / length,
        sum(heads) / length,
        sum(last) / len(last),
    )


def _sealing_units(session: GrowingSession) -> float:
    """Of all seals so far; what they insert and read is summed up by what it is on average."""
    if not session.seals:
        return 0.0
    inserted = len(session.segments) + session.replaced
    inserted_bytes = session.copied * session.sealed_message_bytes / inserted
    replaced_messages = session.copied - sum(session.segments)
    replaced_bytes = replaced_messages * session.sealed_message_bytes / max(1, session.replaced)
    head_bytes = session.budget.kept_bytes + EMPTY_HEAD_BYTES
    note = insert(_NOTE_BYTES) + delete()  # of its own, as where people type
    return (
        inserted * insert(inserted_bytes)
        + session.replaced * (read(replaced_bytes) + delete())
        + session.merges * replace(_NOTE_BYTES)
        + read(session.budget.segment_bytes)  # the first seal; others get the head by an append
        + session.seals * (replace(head_bytes) + note)
    )


def operations(budget_bytes: int) -> dict[str, float]:
    """Request units by operation, for a session of usual length and heads of this budget."""
    life = _life(_USUAL_LENGTH, budget_bytes)
    mean = mean_session(budget_bytes)
    return {
        "append": life.append_units,
        "whole read of 200 messages": read(life.session.head_bytes)
        + sum(map(read, life.session.segment_bytes)),
        "edit of a message": read(life.head_bytes) + replace(life.head_bytes),
        "list of 50 sessions": 50 * read(mean.head_bytes),
        "search through a user's heads": SESSIONS_PER_USER * read(mean.head_bytes),
    }


def request_units_by_operation() -> str:
    """What operations cost with heads of two sizes, and with a document per message."""
    message_bytes, messages = CHATS.message_bytes, mean_session().messages
    flat = {
        "append": insert(message_bytes) + replace(_HEADER_BYTES),
        "whole read of 200 messages": _USUAL_LENGTH * read(message_bytes),
        "edit of a message": read(message_bytes) + replace(message_bytes),
        "list of 50 sessions": 50 * read(_HEADER_BYTES),
        "search through a user's heads": SESSIONS_PER_USER * messages * read(message_bytes),
    }
    wide, narrow = operations(DEFAULT_BUDGET_BYTES), operations(64 * 1024)
    rows = (
        (name, f"{wide[name]:,.0f}", f"{narrow[name]:,.0f}", f"{flat[name]:,.0f}") for name in flat
    )
    return table(("RU", "256 KiB (default)", "64 KiB", "a document per message"), rows)


def request_units_by_budget() -> str:
    """How the budget moves cost between appends, reads and lists."""
    rows = []
    for budget in BUDGETS:
        append, whole_read, _, listing, _ = operations(budget).values()
        rows.append(
            (
                f"{budget // 1024}",
                _kilobytes(_life(_USUAL_LENGTH, budget).head_bytes),
                f"{append:,.0f}",
                f"{whole_read:,.0f}",
                f"{listing:,.0f}",
                f"{10 * append + 5 * whole_read + listing:,.0f}",
            )
        )
    header = (
        "`CHATFOLD_SEGMENT_BYTES`, KiB",
        "mean head, kB",
        "append",
        "whole read",
        "list of 50",
        "10 appends, 5 reads, 1 list",
    )
    return table(header, rows)


# --- connections --------------------------------------------------------------------------------


def connections() -> str:
    """How many connections each server sees: a pool, and two that watch it, per process."""
    rows = [
        (f"{processes}", *(f"{processes * (pool + 2):,}" for pool in (100, 20)))
        for processes in (4, 16, 64, 256)
    ]
    header = ("processes that serve", "`maxPoolSize=100` (the default)", "`maxPoolSize=20`")
    return table(header, rows)


def tables() -> list[str]:
    """All that stand in docs/scaling.md."""
    return [
        magnitudes(),
        index_sizes(),
        write_amplification(),
        rates(),
        request_units_by_operation(),
        request_units_by_budget(),
        connections(),
    ]


def _gigabytes(size_bytes: float) -> str:
    size = size_bytes / _GIGABYTE
    return f"{size:,.0f}" if size >= _WHOLE_GIGABYTES else f"{size:,.1f}"


def _kilobytes(size_bytes: float) -> str:
    return f"{size_bytes / KILOBYTE:,.0f}"


if __name__ == "__main__":
    print(*tables(), sep="\n\n")

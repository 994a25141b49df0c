"""Waves: in what turns the messages of a session came, where several runs have brought them.

What a source has more by the next run goes to the end of a session that was folded before, whatever
its date. The ledgers know where such a turn begins; verify asks here, and nothing here folds.
"""

from dataclasses import dataclass, field

from app.domain.identity import SessionKey
from app.store.port import SessionStore
from migrations.ledger import RunState, list_runs

_CREATED = "created"


@dataclass(slots=True)
class Waves:
    """The turns of one session."""

    first_count: int = 0
    """How many messages it was created with."""
    begins: list[int] = field(default_factory=list[int])
    """The places from which on a later run has appended, ascending."""


async def waves_of(store: SessionStore, format_name: str) -> dict[SessionKey, Waves]:
    """Those of every session that a later run has appended to."""
    waves: dict[SessionKey, Waves] = {}
    ledgers = [
        ledger
        for ledger in await list_runs(store)
        if ledger.record.format == format_name and ledger.record.state is not RunState.ROLLED_BACK
    ]
    for ledger in ledgers:
        async for entry in ledger.batches():
            for key, session in entry.sessions.items():
                if session.before is not None and session.message_ids:
                    waves.setdefault(key, Waves()).begins.append(session.before["next_seq"])
    for ledger in ledgers if waves else ():
        async for entry in ledger.batches():
            for key in waves.keys() & entry.sessions.keys():
                if entry.sessions[key].state == _CREATED:
                    waves[key].first_count += entry.sessions[key].message_count
    for one in waves.values():
        one.begins.sort()
        one.first_count = one.first_count or one.begins[0]
    return waves

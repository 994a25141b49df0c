"""EarlierDocuments: which documents earlier runs have made; what is gone of them was deleted."""

from app.domain.owned_document import DocumentKey
from app.store.port import SessionStore
from migrations.ledger import BatchState, RunState, list_runs
from migrations.scratch import Scratch

_TABLE = """
CREATE TABLE made (
    user_id TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (user_id, kind, id)
) STRICT, WITHOUT ROWID
"""
_INSERT = "INSERT INTO made VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_FIND = "SELECT 1 FROM made WHERE user_id = ? AND kind = ? AND id = ?"


class EarlierDocuments:
    """Those of the ledgers of other runs of the format that were not rolled back."""

    def __init__(self) -> None:
        self._scratch = Scratch(_TABLE)

    def close(self) -> None:
        """Let go of everything."""
        self._scratch.close()

    async def load(self, store: SessionStore, format_name: str, run_id: str) -> None:
        """Read the ledgers of all runs but this one."""
        for ledger in await list_runs(store):
            record = ledger.record
            is_other = ledger.run_id != run_id and record.format == format_name
            if not is_other or record.state is RunState.ROLLED_BACK:
                continue
            async for entry in ledger.batches():
                if entry.record.state is BatchState.DONE:
                    made = (key for key, one in entry.documents.items() if one.is_there)
                    self._scratch.insert(_INSERT, made)

    def has(self, key: DocumentKey) -> bool:
        """Whether a run has made, or brought over, a document with this key."""
        return next(self._scratch.execute(_FIND, key), None) is not None

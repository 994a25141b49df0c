"""Left copies: what finished migrations keep of their sources, which no erasure reaches."""

from pathlib import PurePath
from typing import Literal

from pydantic import BaseModel, ValidationError

from app.errors import CorruptDocumentError
from app.store.port import SessionStore

_MAY_HOLD = "which may hold messages of the user."


class _Finish(BaseModel):
    """The part of a finish, as ledgers have it, that tells where copies are."""

    stage: str
    manner: Literal["rename", "remove", "mark"]
    backup: str | None = None
    aside: str | None = None
    records_left: int = 0


class _Run(BaseModel):
    """The part of a run, as ledgers have it, that tells whether it is finished."""

    finish: _Finish | None = None


async def left_copies(store: SessionStore) -> list[str]:
    """A sentence for each copy that the ledgers know.

    Copies have their names in it, without folders: an operator finds those by the run.

    Raises:
        StoreError: the store cannot be read.
    """
    try:
        entries = await store.list_ledger_runs()
    except CorruptDocumentError:
        # Damage that has nothing to do with the user must not stand in the way of an erasure.
        return ["Copies that migrations may keep: the ledger of one is damaged."]
    sentences: list[str] = []
    for entry in entries:
        try:
            finish = _Run.model_validate_json(entry.body).finish
        except ValidationError:
            sentences.append(
                f"Copies that migration {entry.run_id} may keep: its ledger is damaged."
            )
            continue
        if finish is not None and finish.stage in {"ready", "done"}:
            sentences += _copies_of(entry.run_id, finish)
    return sentences


def _copies_of(run_id: str, finish: _Finish) -> list[str]:
    copies: list[str] = []
    if finish.backup is not None:
        copies.append(f"The backup {PurePath(finish.backup).name} of migration {run_id}")
    if finish.manner == "mark":
        copies.append(f"The source of migration {run_id}, which stays as it was")
    elif finish.manner == "rename":
        name = PurePath(finish.aside or "").name
        copies.append(f"The source of migration {run_id}, which has the name {name} now")
    elif finish.records_left:
        copies.append(f"What migration {run_id} has left in its source")
    return [f"{copy}, {_MAY_HOLD}" for copy in copies]

"""The newest messages of all of a user's sessions, found without looking at every one."""

import heapq

import apsw

from app.domain.message import ChatMessage
from app.store.port import OwnedMessage
from app.store.sqlite import bodies
from app.store.sqlite.session_row import SESSION_ROW, SessionRow
from app.store.sqlite.statements import rows

_Place = tuple[str, str, int]
"""created_at, session id, seq."""


def list_recent(
    connection: apsw.Connection, user_id: str, limit: int, offset: int
) -> list[OwnedMessage]:
    """Living messages by (date, session, seq), ascending, counted from the newest end.

    Sessions are looked at from the newest bound down: once `offset + limit` messages are newer than
    what a session can hold, neither it nor those after it matter.
    """
    wanted = offset + limit
    newest: list[_Place] = []  # a heap with the oldest on top, never larger than `wanted`
    owners: dict[str, SessionRow] = {}
    sessions = rows(
        connection,
        f"SELECT {SESSION_ROW}, id, newest_message_at FROM session"
        " WHERE user_id = ? AND message_count > 0 ORDER BY newest_message_at DESC",
        (user_id,),
    )
    for *numbers, session_id, bound in sessions:
        if len(newest) == wanted and newest[0][0] > bound:
            break
        row = owners[session_id] = SessionRow(*numbers)
        for created_at, seq in rows(
            connection,
            "SELECT created_at, seq FROM message WHERE session_key = ? AND is_deleted = 0",
            (row.session_key,),
        ):
            place = (created_at, session_id, seq)
            if len(newest) < wanted:
                heapq.heappush(newest, place)
            elif place > newest[0]:
                heapq.heapreplace(newest, place)
    page = sorted(newest)[: max(0, len(newest) - offset)][-limit:]
    return [
        OwnedMessage(
            session_id,
            ChatMessage.from_json(bodies.read_one(connection, owners[session_id], seq)),
        )
        for _, session_id, seq in page
    ]

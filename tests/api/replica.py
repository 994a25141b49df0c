"""Replicas: what a client has of a session that it has read once and follows since."""

from typing import Any

from tests.api.listening import Event, bookmark_of


class Replica:
    """A session as a client knows it; it notices what comes twice, too late, or not at all."""

    def __init__(self, session: dict[str, Any]) -> None:
        self.messages: list[dict[str, Any]] = list(session["messages"])
        self.header = {name: value for name, value in session.items() if name != "messages"}
        self.bookmark = bookmark_of(session)

    def hear(self, event: Event) -> None:
        """Take in an event that must be the next one."""
        assert event.id is not None
        if event.name == "ready":
            assert event.id == self.bookmark
            return
        before, after = _numbers(self.bookmark), _numbers(event.id)
        assert after > before
        assert after[1] >= before[1]
        self.bookmark = event.id
        match event.name:
            case "message":
                assert event.data["seq"] == len(self.messages) == after[0] - 1
                self.messages.append(event.data)
            case "message_edited" | "message_deleted":
                assert after[1] > before[1]
                self.messages[event.data["seq"]] = event.data
            case "session":
                assert after[1] > before[1]
                self.header = event.data
            case name:
                raise AssertionError(name)

    def is_like(self, session: dict[str, Any]) -> bool:
        """Whether it has come so far, and is the same then."""
        if self.bookmark != bookmark_of(session):
            return False
        assert self.messages == session["messages"]
        assert self.header["session_name"] == session["session_name"]
        return True


def _numbers(bookmark: str) -> tuple[int, int]:
    _, next_seq, changes = bookmark.split(".")
    return int(next_seq), int(changes)

"""Streams of events as a client reads them, by the rules of the HTML standard (§9.2)."""

import json
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One event that has come."""

    name: str
    data: Any
    id: str | None


def events_of(text: str) -> list[Event]:
    """All events of a stream that has ended; comments are left out."""
    events: list[Event] = []
    for block in text.split("\n\n"):
        fields = {
            name: value.removeprefix(" ")
            for name, _, value in (line.partition(":") for line in block.split("\n"))
            if name
        }
        if "data" in fields:
            event = Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
            events.append(event)
    return events


def text_of(events: list[Event]) -> str:
    """What the deltas say together."""
    return "".join(event.data["text"] for event in events if event.name == "delta")

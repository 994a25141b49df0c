"""Old-style message documents of our own: small talk about a garden, the same in every run.

Made for the demonstration and for trying the fold without anyone's data. The lines are in no order,
and a few defects of each kind that old stores have are planted.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

MESSAGE_COUNT = 20_000
"""At least so many; the last session is made whole."""

_SEED = 2026
_START = datetime(2025, 3, 1, 8, tzinfo=UTC)
_PLANTS = ("tomatoes", "beans", "roses", "thyme", "pears", "leeks", "金木犀", "sunflowers", "mint")
_TROUBLES = ("look pale", "have spots", "grow too slowly", "are eaten at night", "bend in the wind")
_CAUSES = ("too much water", "cold nights", "hungry snails", "poor soil", "little light")
_REMEDIES = ("water less", "cover them in the evening", "add some compost", "give them a stake")
_QUESTIONS = (
    "My {plant} {trouble}. What can I do?",
    "Is it normal that the {plant} {trouble} in spring?",
    "I tried that with the {plant}, and still they {trouble}.",
    "Thank you! And the {plant}? They {trouble}, too. 🌱",
)
_ANSWERS = (
    "That sounds like {cause}. I would {remedy}.",
    "Most often it is {cause}. First {remedy}, and wait for a week.",
    "{plant} forgive a lot. If they {trouble}, {remedy}.",
    "It may be {cause}; {remedy}, and tell me how it went.",
)


def write_old_messages(path: Path, count: int = MESSAGE_COUNT) -> int:
    """Write a file of documents, one a line, and return how many lines it has."""
    chance = random.Random(_SEED)  # noqa: S311 - made to be repeated, not to be secret
    documents = [one for session in _sessions(chance, count) for one in session]
    lines = [json.dumps(document, ensure_ascii=False) for document in documents]
    lines += _planted(chance, documents)
    chance.shuffle(lines)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def _sessions(chance: random.Random, count: int) -> Iterator[list[dict[str, Any]]]:
    made = number = 0
    while made < count:
        session = list(_session(chance, number))
        yield session
        made += len(session)
        number += 1


def _session(chance: random.Random, number: int) -> Iterator[dict[str, Any]]:
    moment = _START + timedelta(minutes=37 * number)
    user_id = f"gardener-{number % 120:03}"
    for place in range(2 * chance.randint(2, 20)):
        is_question = place % 2 == 0
        moment += timedelta(seconds=chance.randint(2, 240), milliseconds=chance.randint(0, 999))
        text = chance.choice(_QUESTIONS if is_question else _ANSWERS).format(
            plant=chance.choice(_PLANTS),
            trouble=chance.choice(_TROUBLES),
            cause=chance.choice(_CAUSES),
            remedy=chance.choice(_REMEDIES),
        )
        yield {
            "id": f"message-{number:05}-{place:03}",
            "session_id": f"garden-{number:05}",
            "user_id": user_id,
            "content": text,
            "message_type": "user" if is_question else "assistant",
            "metadata": {} if is_question else {"model": "greenhouse-1"},
            "created_at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


def _planted(chance: random.Random, documents: list[dict[str, Any]]) -> Iterator[str]:
    """Lines that something is wrong with; where they repeat an id, the message itself stays."""
    for document in chance.sample(documents, 6):
        yield json.dumps(document, sort_keys=True)  # the same once more
    for document in chance.sample(documents, 3):
        later = datetime.fromisoformat(document["created_at"]) + timedelta(seconds=7)
        yield json.dumps({**document, "content": "Never mind.", "created_at": later.isoformat()})
    strays = [
        {**document, "id": f"stray-{number}"}
        for number, document in enumerate(chance.sample(documents, 8))
    ]
    yield json.dumps({**strays[0], "session_id": None})
    yield json.dumps({**strays[1], "session_id": ""})
    yield json.dumps({**strays[2], "created_at": "the other day"})
    yield json.dumps({**strays[3], "user_id": None})  # its session names the user
    yield json.dumps({**strays[4], "session_id": "garden-of-nobody", "user_id": ""})
    yield json.dumps({**strays[5], "message_type": "human"})
    yield json.dumps({**strays[6], "content": None})
    yield json.dumps({**strays[7], "created_at": strays[7]["created_at"].removesuffix("Z")})
    yield '{"id": "cut-off", "session_id": "garden-000'

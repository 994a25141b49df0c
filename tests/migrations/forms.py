"""The same message documents in every form that a source may have."""

import gzip
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
from bson import json_util
from bson.int64 import Int64
from bson.objectid import ObjectId

Documents = Sequence[dict[str, Any]]
"""As a driver of MongoDB gives them."""


def typed_documents(count: int = 60) -> list[dict[str, Any]]:
    """Messages of four sessions in no order; each second one has a value that JSON cannot write."""
    return [
        {
            "_id": ObjectId(f"{number:024x}"),
            "session_id": f"s{number % 4}",
            "user_id": number % 4,
            "content": f'Message {number}: "quoted", \\ {{[]}}, é 👩‍💻\n',
            "message_type": ("user", "assistant", "human")[number % 3],
            "metadata": {"n": Int64(number), "ref": ObjectId(f"{7:024x}"), "list": [{"a": 1.5}]}
            if number % 2
            else {"$plain": {"a.b": None}},
            "created_at": datetime(2024, 1, 1, 12, number * 7 % 60, 0, 123_000, tzinfo=UTC),
        }
        for number in range(count)
    ]


def plain(documents: Documents) -> list[dict[str, Any]]:
    """What a product without MongoDB would have written."""
    return [
        {
            **{name: value for name, value in one.items() if name != "_id"},
            "id": str(one["_id"]),
            "metadata": {
                name: str(value) if isinstance(value, ObjectId) else value
                for name, value in one["metadata"].items()
            },
            "created_at": one["created_at"].isoformat(),
        }
        for one in documents
    ]


def as_lines(documents: Documents) -> bytes:
    return b"".join(_json(one) + b"\n" for one in plain(documents))


def as_array(documents: Documents) -> bytes:
    return b"[" + b", ".join(map(_json, plain(documents))) + b"]"


def as_indented_array(documents: Documents) -> bytes:
    return json.dumps(plain(documents), indent=4).encode()


def as_bson(documents: Documents) -> bytes:
    return b"".join(map(bson.encode, documents))


def _extended(options: json_util.JSONOptions) -> Callable[[Documents], bytes]:
    def written(documents: Documents) -> bytes:
        lines = (json_util.dumps(one, json_options=options) for one in documents)
        return "".join(line + "\n" for line in lines).encode()

    return written


def _extended_array(documents: Documents) -> bytes:
    return json_util.dumps(documents, json_options=json_util.CANONICAL_JSON_OPTIONS).encode()


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


FORMS: dict[str, Callable[[Documents], bytes]] = {
    "source.jsonl": as_lines,
    "source.jsonl.gz": lambda documents: gzip.compress(as_lines(documents)),
    "windows.jsonl": lambda documents: (
        b"\xef\xbb\xbf" + as_lines(documents).replace(b"\n", b"\r\n") + b"\r\n"
    ),
    "array.json": as_array,
    "indented.json": as_indented_array,
    "array.json.gz": lambda documents: gzip.compress(b"\xef\xbb\xbf\n" + as_array(documents)),
    "extended-1.json": _extended(json_util.LEGACY_JSON_OPTIONS),
    "extended-2-canonical.json": _extended(json_util.CANONICAL_JSON_OPTIONS),
    "extended-2-relaxed.json": _extended(json_util.RELAXED_JSON_OPTIONS),
    "extended-array.json": _extended_array,
    "dump.bson": as_bson,
    "dump.bson.gz": lambda documents: gzip.compress(as_bson(documents)),
}
"""By the name of a file of this form."""


def write_form(folder: Path, name: str, documents: Documents) -> Path:
    path = folder / name
    path.write_bytes(FORMS[name](documents))
    return path

"""The OpenAPI document's operations are frozen: clients are generated from it.

After a wanted change, renew the snapshot and look at its difference before you commit it:

    .venv/bin/python -m tests.api.test_openapi_snapshot
"""

import json
from pathlib import Path
from typing import Any

from app.clock import SystemClock
from app.main import create_app
from app.store.memory import MemoryStore
from tests.api.conftest import SETTINGS

SNAPSHOT = Path(__file__).parent / "snapshots" / "openapi.json"

Operation = dict[str, str]


def operations() -> list[Operation]:
    document = create_app(SETTINGS, MemoryStore(), SystemClock()).openapi()
    return [
        outline(method, path, operation)
        for path, methods in sorted(document["paths"].items())
        for method, operation in sorted(methods.items())
    ]


def outline(method: str, path: str, operation: dict[str, Any]) -> Operation:
    return {
        "operation": f"{method.upper()} {path}",
        "id": operation["operationId"],
        "parameters": ", ".join(
            f"{parameter['in']} {parameter['name']}{'!' * parameter['required']}"
            for parameter in operation.get("parameters", [])
        ),
        "body": content_names(operation.get("requestBody", {})),
        "answers": ", ".join(
            f"{status} {content_names(answer)}".strip()
            for status, answer in operation["responses"].items()
        ),
    }


def content_names(holder: dict[str, Any]) -> str:
    names = [
        schema_name(content.get("schema", {})) for content in holder.get("content", {}).values()
    ]
    return " or ".join(dict.fromkeys(names))


def schema_name(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix("#/components/schemas/")
    if "anyOf" in schema:
        return " | ".join(schema_name(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"[{schema_name(schema['items'])}]"
    return str(schema.get("type", "any"))


def test_the_operations_are_those_of_the_snapshot() -> None:
    snapshot = json.loads(SNAPSHOT.read_text())

    found = operations()

    assert found == snapshot, "the module's docstring says how to renew the snapshot"


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [operation["id"] for operation in operations()]

    assert len(set(ids)) == len(ids)
    assert all(id_.replace("_", "").isalpha() and id_.islower() for id_ in ids)


def test_every_reference_leads_somewhere() -> None:
    document = create_app(SETTINGS, MemoryStore(), SystemClock()).openapi()
    schemas = document["components"]["schemas"]

    references = set(json.dumps(document).split('"$ref": "#/components/schemas/')[1:])

    assert {reference.split('"')[0] for reference in references} <= set(schemas)
    assert "HTTPValidationError" not in schemas


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(operations(), indent=2, ensure_ascii=False) + "\n")

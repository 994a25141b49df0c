"""A document that cannot be read is named as damaged, and never passed over."""

from typing import Any

import httpx
import pytest

from app.store.port import SessionStore
from tests.api.requests import problem
from tests.api.v1.requests import PROJECTS, make_project
from tests.api.v1.test_artifacts import make_artifact
from tests.factories import ADA


@pytest.mark.parametrize(
    ("kind", "what", "call"),
    [
        ("project", "project", ("GET", PROJECTS, None)),
        ("project", "project", ("GET", "{project}", None)),
        ("project", "project", ("DELETE", "{project}", None)),
        ("project", "project", ("GET", "{project}/artifacts", None)),
        ("context_entry", "context entry", ("GET", "{project}/context", None)),
        ("artifact", "artifact", ("GET", "{project}/artifacts", None)),
        ("artifact", "artifact", ("GET", "{artifact}", None)),
        ("artifact_version", "artifact version", ("GET", "{artifact}", None)),
        ("artifact_version", "artifact version", ("GET", "{artifact}/versions", None)),
        (
            "artifact_request",
            "artifact request",
            ("POST", "{artifact}/versions", {"content": "again"}),
        ),
    ],
)
async def test_damage_is_named(
    ada: httpx.AsyncClient,
    store: SessionStore,
    kind: str,
    what: str,
    call: tuple[str, str, Any],
) -> None:
    project = await make_project(ada)
    artifact = await make_artifact(ada, project)
    await ada.post(f"{project}/context/findings", json={"text": "x"})
    keyed = {"Idempotency-Key": "k"}
    await ada.post(f"{artifact}/versions", json={"content": "again"}, headers=keyed)
    newest_first = (await store.list_documents(ADA, kind)).items
    damaged = newest_first[0].changed({"damaged": True})
    assert await store.put_document(damaged, replaces=newest_first[0].version)

    method, path, body = call
    answer = await ada.request(
        method, path.format(project=project, artifact=artifact), json=body, headers=keyed
    )

    assert problem(answer) == (500, "document_corrupt", [])
    assert answer.json()["detail"] == f"The stored {what} cannot be decoded."

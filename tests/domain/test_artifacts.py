"""Artifacts and their versions as documents: a number is part of the key, and orders the list."""

import pytest
from pydantic import ValidationError

from app.domain.artifact import VERSION_LIMIT, Artifact, ArtifactVersion
from tests.factories import ADA, BOB
from tests.fake_clock import START


def make_version(number: int, *, user_id: str = ADA, artifact_id: str = "a") -> ArtifactVersion:
    return ArtifactVersion(
        user_id=user_id, artifact_id=artifact_id, number=number, content="text", created_at=START
    )


def test_an_artifact_comes_back_from_its_document() -> None:
    artifact = Artifact(id="a", user_id=ADA, project_id="p", name="notes", created_at=START)

    assert Artifact.from_document(artifact.document()) == artifact
    assert artifact.document().group == "p"


def test_versions_come_back_and_are_ordered_by_number() -> None:
    numbers = [1, 2, 9, 10, 11, 99, 100, VERSION_LIMIT]

    documents = [make_version(number).document() for number in numbers]

    assert [ArtifactVersion.from_document(one).number for one in documents] == numbers
    assert [one.order for one in documents] == sorted(one.order for one in documents)


def test_a_key_is_of_one_user_one_artifact_and_one_number() -> None:
    keys = {
        make_version(number, user_id=user_id, artifact_id=artifact_id).key
        for number in (1, 2, 12)
        for user_id in (ADA, BOB)
        for artifact_id in ("a", "a1")
    }

    assert len(keys) == 12
    assert make_version(1).key == make_version(1).document().key


@pytest.mark.parametrize("number", [0, -1, VERSION_LIMIT + 1])
def test_numbers_begin_at_one_and_end_where_order_would(number: int) -> None:
    with pytest.raises(ValidationError):
        make_version(number)

"""Artifact chains: which records of a source are versions of one artifact, and in what order."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from app.domain.folding import Reason, Refusal
from app.domain.identity import SessionKey, derived_id
from app.domain.instants import instant_text
from app.domain.source_artifact import SourceArtifact
from app.domain.source_session import SourceSession


class ArtifactChain(NamedTuple):
    """What becomes one artifact: the records of its versions, the oldest first."""

    id: str
    artifacts: Sequence[SourceArtifact]


def distinct_artifacts(
    records: Iterable[SourceSession],
) -> tuple[list[SourceSession], list[Refusal]]:
    """The artifacts of a session without those that are said again; the first of an id counts."""
    kept: list[SourceSession] = []
    refusals: list[Refusal] = []
    seen: dict[str, SourceSession] = {}
    for record in records:
        artifact = SourceArtifact.model_validate_json(record.artifact_json)
        name = record.artifact_json.decode() if artifact.id is None else f"={artifact.id}"
        earlier = seen.setdefault(name, record)
        if earlier is record:
            kept.append(record)
            continue
        is_same = earlier.artifact_json == record.artifact_json
        reason = Reason.EXACT_DUPLICATE if is_same else Reason.CONFLICTING_ID
        refusals.append(Refusal(record, reason, earlier.position))
    return kept, refusals


def chains_of(key: SessionKey, records: Iterable[SourceSession]) -> list[ArtifactChain]:
    """The artifacts that the records of a session become, each under an id that stays the same."""
    read = [SourceArtifact.model_validate_json(record.artifact_json) for record in records]
    by_id = {one.id: one for one in read if one.id is not None}
    namesakes: dict[str, int] = {}
    members: dict[str, list[SourceArtifact]] = {}
    for one in read:
        root = _root(one, by_id)
        if root.id is not None:
            name = derived_id("projected-artifact", *key, "id", root.id)
        else:
            nth = namesakes[root.name] = namesakes.get(root.name, 0) + 1
            name = derived_id("projected-artifact", *key, "name", root.name, str(nth))
        members.setdefault(name, []).append(one)
    # What has neither a number nor a date keeps its place.
    return [ArtifactChain(chain_id, sorted(chain, key=_age)) for chain_id, chain in members.items()]


def _root(artifact: SourceArtifact, by_id: Mapping[str, SourceArtifact]) -> SourceArtifact:
    """The first version of an artifact; itself where the versions are a circle."""
    root = artifact
    seen: set[str | None] = {artifact.id}
    while root.previous_id is not None and root.previous_id in by_id:
        root = by_id[root.previous_id]
        if root.id in seen:
            return artifact
        seen.add(root.id)
    return root


def _age(artifact: SourceArtifact) -> tuple[int, str]:
    """A number goes before a date, since clocks order nothing."""
    at = artifact.created_at
    return artifact.number or 0, "" if at is None else instant_text(at)

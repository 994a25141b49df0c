"""Real messages: every session of the clean files, and every defect planted in the dirty ones."""

import gzip
import hashlib
import json
import os
from collections import defaultdict
from itertools import groupby, islice, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from app.store.memory import MemoryStore
from tests.migrations.corpora import (
    FoldedCorpus,
    beginning_of,
    documents_of,
    folded_corpus,
    hashes_of,
    needs_corpora,
    session_hash,
    source_of,
    stored_sessions,
)
from tests.migrations.forms import write_form
from tests.migrations.sources import fold

pytestmark = needs_corpora


@pytest.fixture(scope="module", params=["dialogs.dirty", "ubuntu-irc.dirty"])
def dirty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FoldedCorpus:
    return folded_corpus(request.param, tmp_path_factory.mktemp("dirty"))


@pytest.fixture(scope="module")
def raw(dirty: FoldedCorpus) -> dict[int, dict[str, Any]]:
    """The source's records by line."""
    with gzip.open(source_of(f"{dirty.manifest['name']}.dirty")) as lines:
        return {position: json.loads(line) for position, line in enumerate(lines, start=1)}


PARTS = [("dialogs.messages", 1500, 20_257), ("ubuntu-irc.messages", 6, 7174)]
WHOLE = [("dialogs.messages", 8677, 120_746), ("ubuntu-irc.messages", 194, 266_123)]


@pytest.mark.parametrize(
    ("name", "sessions", "messages"), WHOLE if os.environ.get("SOAK") else PARTS
)
def test_every_session_of_a_clean_file_has_the_hash_of_its_manifest(
    name: str, sessions: int, messages: int, tmp_path: Path
) -> None:
    corpus = folded_corpus(name, tmp_path, source=beginning_of(name, sessions, tmp_path))

    hashes = {key: session_hash(stored) for key, stored in corpus.sessions.items()}
    assert len(hashes) == sessions
    assert hashes.items() <= hashes_of(name).items()
    for (_, session_id), stored in corpus.sessions.items():
        truth = corpus.manifest["sessions"][session_id]
        assert len(stored) == truth["n"]
        assert stored[0]["created_at"] == with_milliseconds(truth["first"])
        assert stored[-1]["created_at"] == with_milliseconds(truth["last"])
        assert [message["seq"] for message in stored] == list(range(truth["n"]))
    records = corpus.report.records
    assert (records.read, records.folded) == (messages, messages)
    assert (records.reasons, records.findings) == ({}, {})
    assert corpus.report.sessions["created"] == sessions
    assert corpus.differences == 0


@pytest.mark.parametrize("form", ["array.json.gz", "extended-2-relaxed.json", "dump.bson.gz"])
async def test_some_sessions_have_their_hashes_in_every_form(form: str, tmp_path: Path) -> None:
    name, count = "dialogs.messages", 1000 if os.environ.get("SOAK") else 300
    by_session = groupby(documents_of(name), key=itemgetter("session_id"))
    documents = [one for _, messages in islice(by_session, count) for one in messages]
    store = MemoryStore()

    report = await fold(write_form(tmp_path, form, documents), store)

    sessions = await stored_sessions(store)
    hashes = {key: session_hash(messages) for key, messages in sessions.items()}
    assert len(hashes) == count
    assert hashes.items() <= hashes_of(name).items()
    assert (report.records.folded, report.records.findings) == (len(documents), {})


def with_milliseconds(date: str) -> str:
    return date if "." in date else date.removesuffix("Z") + ".000Z"


def test_every_session_of_a_dirty_file_has_the_hash_of_its_manifest(dirty: FoldedCorpus) -> None:
    expected: dict[tuple[str, str], str] = {}
    for session_id, truth in dirty.manifest["sessions"].items():
        if "session_without_any_user_id" in truth.get("flags", ()):
            continue
        parts = truth.get("by_user") or {truth["user_id"]: truth}
        for user_id, part in parts.items():
            expected[(user_id, session_id)] = part["sha256"]

    hashes = {key: session_hash(stored) for key, stored in dirty.sessions.items()}

    assert hashes == expected
    assert dirty.differences == 0


def test_records_read_are_folded_skipped_or_rejected(dirty: FoldedCorpus) -> None:
    records = dirty.report.records

    assert records.read == dirty.manifest["totals"]["lines"]
    assert records.read == records.folded + records.skipped + records.rejected
    assert records.folded == sum(len(stored) for stored in dirty.sessions.values())


def test_outcomes_are_those_that_were_planted(dirty: FoldedCorpus) -> None:
    planted = dirty.manifest["totals"]["defects"]
    formats = dirty.manifest["totals"]["timestamp_formats"]
    unowned = sum(defect["n"] for defect in dirty.defects("session_without_any_user_id"))

    reasons, findings = dirty.report.records.reasons, dirty.report.records.findings

    assert reasons["exact_duplicate"] == planted["exact_duplicate"]
    assert reasons["conflicting_id"] == planted["conflicting_id"]
    assert reasons["missing_session_id"] == planted["missing_session_id"]
    assert reasons["user_unknown"] == unowned
    assert len(reasons) == 4
    assert findings["unknown_message_type"] == planted["unknown_message_type"]
    assert findings["null_content"] == planted["null_content"]
    assert findings["user_inferred"] == planted["missing_user_id"]
    # Those of records that were not folded are not counted.
    naive_among_the_unfolded = formats["naive"] + formats["space"] - findings["naive_timestamp"]
    assert 0 <= naive_among_the_unfolded <= dirty.report.records.rejected + 168
    assert set(findings) == {
        "unknown_message_type",
        "null_content",
        "user_inferred",
        "naive_timestamp",
    }


def test_sessions_shared_by_two_users_are_split(dirty: FoldedCorpus) -> None:
    for defect in dirty.defects("session_shared_by_two_users"):
        first, second = (dirty.sessions[(user, defect["session_id"])] for user in defect["users"])

        assert [message["id"] for message in second] == defect["second_user_ids"]
        assert not {message["id"] for message in first} & set(defect["second_user_ids"])


def test_sessions_without_any_user_are_reported_whole(dirty: FoldedCorpus) -> None:
    rejected = dirty.outcomes_of("user_unknown").values()

    for defect in dirty.defects("session_without_any_user_id"):
        reported = [one for one in rejected if one.session_id == defect["session_id"]]
        assert len(reported) == defect["n"]
        assert dirty.messages(defect["session_id"]) == {}


def test_ties_are_ordered_by_id(dirty: FoldedCorpus) -> None:
    ties = 0
    for stored in dirty.sessions.values():
        order = [(message["created_at"], message["id"]) for message in stored]
        assert order == sorted(order)
        ties += sum(one[0] == other[0] for one, other in pairwise(order))
    assert ties > 154
    if dirty.manifest["totals"]["defects"].get("timestamp_tie"):
        for defect in dirty.defects("timestamp_tie"):
            tied = dirty.messages(defect["session_id"])
            dates = {tied[one]["created_at"] for one in defect["ids"] if one in tied}
            assert len(dates) <= 1


def test_a_missing_user_is_inferred(dirty: FoldedCorpus) -> None:
    found = dirty.outcomes_of("user_inferred")

    for defect in dirty.defects("missing_user_id"):
        owned = dirty.sessions[(defect["true_user_id"], defect["session_id"])]
        assert defect["id"] in {message["id"] for message in owned}
        assert found[defect["line"]].user_id == defect["true_user_id"]


def test_a_missing_session_is_rejected_and_merged_into_none(dirty: FoldedCorpus) -> None:
    rejected = dirty.outcomes_of("missing_session_id")

    for defect in dirty.defects("missing_session_id"):
        assert defect["line"] in rejected
        assert defect["id"] not in dirty.messages(defect["true_session_id"])
    assert {session_id for _, session_id in dirty.sessions} <= set(dirty.manifest["sessions"])


def test_an_unknown_type_is_system_and_keeps_what_it_was(
    dirty: FoldedCorpus, raw: dict[int, dict[str, Any]]
) -> None:
    found = dirty.outcomes_of("unknown_message_type")

    for defect in dirty.defects("unknown_message_type"):
        message = dirty.messages(defect["session_id"])[defect["id"]]
        assert message["message_type"] == "system"
        written = raw[defect["line"]].get("message_type")
        assert message["metadata"]["chatfold:source"] == {"message_type": written}
        assert defect["line"] in found


def test_empty_and_null_contents_are_messages(dirty: FoldedCorpus) -> None:
    for defect in dirty.defects("empty_content"):
        message = dirty.messages(defect["session_id"])[defect["id"]]
        assert message["content"] == defect["form"]
    found = dirty.outcomes_of("null_content")
    for defect in dirty.defects("null_content"):
        assert dirty.messages(defect["session_id"])[defect["id"]]["content"] == ""
        assert defect["line"] in found


def test_a_large_content_is_whole(dirty: FoldedCorpus) -> None:
    for defect in dirty.defects("large_content"):
        content = dirty.messages(defect["session_id"])[defect["id"]]["content"]
        assert (len(content.encode()), len(content)) == (defect["bytes"], defect["chars"])


def test_special_characters_survive_byte_for_byte(dirty: FoldedCorpus) -> None:
    for defect in dirty.defects("special_characters"):
        content = dirty.messages(defect["session_id"])[defect["id"]]["content"]
        assert hashlib.sha256(content.encode()).hexdigest() == defect["content_sha256"]


def test_odd_metadata_becomes_an_object(
    dirty: FoldedCorpus, raw: dict[int, dict[str, Any]]
) -> None:
    for defect in dirty.defects("bad_metadata"):
        metadata = dict(dirty.messages(defect["session_id"])[defect["id"]]["metadata"])
        metadata.pop("chatfold:source", None)
        written = raw[defect["line"]].get("metadata")
        assert metadata == ({} if written is None else json.loads(written))


def test_good_metadata_is_kept_as_it_is(
    dirty: FoldedCorpus, raw: dict[int, dict[str, Any]]
) -> None:
    compared = 0
    refused = {one.position for one in dirty.outcomes if one.kind != "folded"}
    stored = {session_id: dirty.messages(session_id) for _, session_id in dirty.sessions}
    for position, record in raw.items():
        if position not in refused and isinstance(record.get("metadata"), dict):
            metadata = dict(stored[record["session_id"]][record["id"]]["metadata"])
            metadata.pop("chatfold:source", None)
            assert metadata == record["metadata"]
            compared += 1
    assert compared > 18_000


def test_of_a_conflicting_id_the_first_is_kept_and_the_other_reported(
    dirty: FoldedCorpus, raw: dict[int, dict[str, Any]]
) -> None:
    rejected = dirty.outcomes_of("conflicting_id")

    for defect in dirty.defects("conflicting_id"):
        stored = dirty.messages(defect["session_id"])[defect["id"]]
        assert stored["content"] == raw[defect["line"]]["content"]
        other = rejected[defect["other_line"]]
        assert (other.session_id, other.message_id) == (defect["session_id"], defect["id"])
        assert other.kept_position == defect["line"]


def test_one_id_in_two_sessions_is_two_messages(
    dirty: FoldedCorpus, raw: dict[int, dict[str, Any]]
) -> None:
    for defect in dirty.defects("id_in_two_sessions"):
        for line, session_id in (
            (defect["line"], defect["session_id"]),
            (defect["other_line"], defect["other_session_id"]),
        ):
            stored = dirty.messages(session_id)[defect["id"]]
            assert stored["content"] == raw[line]["content"]


def test_an_exact_duplicate_counts_once(dirty: FoldedCorpus) -> None:
    skipped = set(dirty.outcomes_of("exact_duplicate"))
    lines_of: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for defect in dirty.defects("exact_duplicate"):
        lines = lines_of[(defect["session_id"], defect["id"])]
        lines.update((defect["line"], defect["other_line"]))

    for (session_id, message_id), lines in lines_of.items():
        assert len(lines - skipped) == 1
        assert message_id in dirty.messages(session_id)
    assert skipped <= set().union(*lines_of.values())

"""Whatever an old source says, the fold and its proof understand it alike, and alike again."""

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.store.memory import MemoryStore
from migrations.jobs.sessions_to_projects import SESSIONS_TO_PROJECTS
from tests.migrations.old_sessions import everything_in, proof
from tests.migrations.sources import at, fold, write_source

TEXTS = st.sampled_from(["", " ", "go", "tool_calls", 'a "quoted" word', "ä😀", "x" * 1001])
ODD = st.sampled_from([None, 7, True, [], {}, "text", 1.5, [{"text": "part"}], {"message": "m"}])
IDS = st.sampled_from([None, "1", "2", "3", 4, ""])
DATABASE_IDS = st.sampled_from([{"$oid": "5" * 24}, {"$oid": "6" * 24}, "5" * 24, {"$oid": 1}])
ODD_DATES = st.sampled_from([None, "", "soon", 0, 1.7e9, {"$date": at(30)}])
DATES = st.one_of(st.integers(0, 59).map(at), ODD_DATES)
NAMES = st.one_of(st.sampled_from(["plan.md", "x.py", "x" * 1001, None]), TEXTS)


def documents(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that may have each member."""
    return st.fixed_dictionaries({}, optional=members)


CALLS = documents(
    id=IDS,
    name=st.one_of(NAMES, ODD),
    status=st.sampled_from(["error", "failed", "success", None, 5]),
    error=st.one_of(TEXTS, ODD),
    result=st.one_of(TEXTS, ODD),
)
MESSAGES = documents(
    id=IDS,
    _id=DATABASE_IDS,
    role=st.sampled_from(["user", "assistant", "system", "tool", "bot", None]),
    content=st.one_of(TEXTS, ODD),
    created_at=DATES,
    tool_calls=st.one_of(st.lists(st.one_of(CALLS, ODD), max_size=3), ODD),
    metadata=ODD,
)
ARTIFACTS = documents(
    id=IDS,
    _id=DATABASE_IDS,
    name=NAMES,
    title=NAMES,
    artifact_type=st.one_of(TEXTS, ODD),
    content=st.one_of(TEXTS, ODD),
    version=st.one_of(st.integers(0, 3), ODD),
    parent_version_id=IDS,
    versions=st.one_of(
        st.lists(
            st.one_of(
                documents(
                    content=TEXTS,
                    version=st.one_of(st.integers(0, 3), ODD),
                    created_at=DATES,
                    by=ODD,
                ),
                ODD,
            ),
            max_size=3,
        ),
        ODD,
    ),
    metadata=ODD,
    file_path=TEXTS,
    created_at=DATES,
)
SESSIONS = st.fixed_dictionaries(
    {"id": st.sampled_from(["s1", "s2", "s3", "", 7])},
    optional={
        "_id": DATABASE_IDS,
        "user_id": st.sampled_from(["ada", "bob", None]),
        "workspace_id": st.one_of(IDS, ODD),
        "title": st.one_of(TEXTS, ODD),
        "status": st.sampled_from(
            ["pending", "active", "running", "completed", "failed", "cancelled", "archived", "x", 1]
        ),
        "is_active": ODD,
        "skill_id": st.one_of(TEXTS, ODD),
        "project_id": IDS,
        "created_at": DATES,
        "updated_at": DATES,
        "messages": st.one_of(st.lists(st.one_of(MESSAGES, ODD), max_size=3), ODD),
        "artifacts": st.one_of(st.lists(st.one_of(ARTIFACTS, ODD), max_size=3), ODD),
    },
)
BESIDE = st.tuples(
    st.one_of(MESSAGES, ARTIFACTS),
    st.fixed_dictionaries(
        {"session_id": st.sampled_from(["s1", "s2", "s3", "s4", 7])},
        optional={"user_id": st.sampled_from(["ada", "bob"])},
    ),
).map(lambda pair: {**pair[0], **pair[1]})
SOURCES = st.lists(st.one_of(SESSIONS, BESIDE), min_size=1, max_size=8)


@settings(max_examples=60)
@given(source=SOURCES)
async def test_what_a_run_makes_is_what_verify_expects(
    source: list[dict[str, Any]], tmp_path_factory: Any
) -> None:
    folder: Path = tmp_path_factory.mktemp("source")
    store = MemoryStore()
    path = write_source(folder / "old.jsonl", source)

    report = await fold(path, store, job=SESSIONS_TO_PROJECTS)

    proven = await proof(path, store)
    assert proven.examples == []
    assert proven.records_read == report.records.read
    assert report.projects is not None
    made = {kind: one["created"] for kind, one in report.projects.documents.items()}
    assert made == {kind: proven.documents_expected.get(kind, 0) for kind in made}
    before = await everything_in(store)
    await fold(path, store, job=SESSIONS_TO_PROJECTS)
    assert await everything_in(store) == before

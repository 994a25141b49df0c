"""Numbers of versions are given once, whatever processes write, die, and repeat themselves."""

import asyncio

import pytest

from app.domain.artifact import ArtifactKey
from app.domain.selection import Selection, SelectionRange
from app.errors import SelectionChangedError, StoreUnavailableError
from app.service.artifacts import ArtifactDraft, Writing
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.factories import ADA
from tests.fake_clock import FakeClock
from tests.service.breaking_store import breaking
from tests.service.project_services import Services, services_on


async def make_artifact(services: Services, content: str = "first") -> ArtifactKey:
    members = {"workspace_id": "w", "intent": "x"}
    project_id = (await services.projects.create(ADA, members)).project.id
    made = await services.artifacts.create(ADA, project_id, ArtifactDraft("notes"), content)
    return ArtifactKey(ADA, project_id, made.artifact.id)


async def texts(services: Services, key: ArtifactKey) -> list[str]:
    """What the versions say, the oldest first."""
    newest = (await services.artifacts.get(key)).shown.number
    return [
        (await services.artifacts.get_version(key, number)).content
        for number in range(1, newest + 1)
    ]


async def test_processes_that_write_at_once_get_numbers_of_their_own(
    store: SessionStore, clock: FakeClock
) -> None:
    processes = [services_on(store, clock) for _ in range(4)]
    key = await make_artifact(processes[0])

    made = await asyncio.gather(
        *(processes[n % 4].artifacts.update(key, f"text {n}") for n in range(24))
    )

    told = {state.shown.number: state.shown.content for state in made}
    assert sorted(told) == list(range(2, 26))
    assert await texts(processes[0], key) == ["first", *(told[n] for n in range(2, 26))]


async def test_a_request_that_many_processes_repeat_makes_one_version(
    store: SessionStore, clock: FakeClock
) -> None:
    processes = [services_on(store, clock) for _ in range(4)]
    key = await make_artifact(processes[0])
    calls = [
        process.artifacts.update(key, text, Writing(idempotency_key=text))
        for text in "abc"
        for process in processes
    ]

    made = await asyncio.gather(*calls)

    told = {(state.shown.number, state.shown.content) for state in made}
    assert len(told) == 3
    assert sorted(await texts(processes[0], key)) == ["a", "b", "c", "first"]


@pytest.mark.parametrize("writes", range(3))
async def test_a_request_that_was_killed_makes_one_version_when_it_is_repeated(
    clock: FakeClock, writes: int
) -> None:
    store = MemoryStore()
    living = services_on(store, clock)
    key = await make_artifact(living, "one two")
    selection = Selection(selection_range=SelectionRange(start=4, end=7), selected_text="two")
    writing = Writing(idempotency_key="k")
    breaker, killed = breaking(store, writes_left=writes)
    dying = services_on(killed, clock)
    if writes < 2:
        with pytest.raises(StoreUnavailableError):
            await dying.artifacts.replace_selection(key, selection, "2", writing)
    else:
        await dying.artifacts.replace_selection(key, selection, "2", writing)
    assert breaker.writes_left == 0
    if writes < 2:
        await living.artifacts.update(key, "one two three")  # takes the number that was noted

    repeated = await living.artifacts.replace_selection(key, selection, "2", writing)
    again = await living.artifacts.replace_selection(key, selection, "2", writing)

    assert again == repeated
    expected = ["one two", "one two three", "one 2 three"] if writes < 2 else ["one two", "one 2"]
    assert await texts(living, key) == expected


@pytest.mark.parametrize("writes", range(2))
async def test_an_artifact_whose_making_was_killed_is_not_there_until_it_is_repeated(
    clock: FakeClock, writes: int
) -> None:
    store = MemoryStore()
    living = services_on(store, clock)
    members = {"workspace_id": "w", "intent": "x"}
    project_id = (await living.projects.create(ADA, members)).project.id
    draft, writing = ArtifactDraft("notes"), Writing(idempotency_key="k")
    _, killed = breaking(store, writes_left=writes)

    with pytest.raises(StoreUnavailableError):
        await services_on(killed, clock).artifacts.create(ADA, project_id, draft, "x", writing)
    seen = (await living.artifacts.list_page(ADA, project_id, limit=10)).items
    clock.advance(60)
    made = await living.artifacts.create(ADA, project_id, draft, "x", writing)

    assert seen == ()
    assert (made.shown.number, made.shown.content) == (1, "x")
    listed = (await living.artifacts.list_page(ADA, project_id, limit=10)).items
    assert [one.artifact.id for one in listed] == [made.artifact.id]


async def test_a_refused_edit_leaves_nothing_behind(store: SessionStore, clock: FakeClock) -> None:
    services = services_on(store, clock)
    key = await make_artifact(services, "one")
    before = await store.list_document_keys()
    selection = Selection(selection_range=SelectionRange(start=0, end=3), selected_text="two")

    with pytest.raises(SelectionChangedError):
        await services.artifacts.replace_selection(
            key, selection, "x", Writing(idempotency_key="k")
        )

    assert await store.list_document_keys() == before

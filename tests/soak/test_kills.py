"""Killed again and again in the middle of writing: what was acknowledged is always there, once."""

import pytest

from tests.laws.writing import Writing, create, document_of, kill_while_writing
from tests.serving import serving
from tests.store_kind import Place


@pytest.mark.timeout(3000)
async def test_a_service_that_is_killed_over_and_over_loses_nothing(
    place: Place, scale: int
) -> None:
    writing = Writing()
    async with serving(place) as server:
        await create(server)

    for _ in range(2 * scale):
        async with serving(place, workers=2) as server:
            writing.acknowledged_enough.clear()
            await kill_while_writing(server, writing, enough=len(writing.seqs) + 100)

    async with serving(place) as server:
        document = await document_of(server)
    writing.assert_all_there_once(document)
    assert len(writing.seqs) >= 200 * scale

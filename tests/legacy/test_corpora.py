"""Published chats are served from their files as a run would fold them."""

from migrations.jobs.group_messages import GROUP_MESSAGES
from tests.legacy.comparing import assert_the_same
from tests.migrations.corpora import needs_corpora, source_of

pytestmark = needs_corpora


async def test_the_dirty_dialogs_are_the_same_before_they_are_folded() -> None:
    path = source_of("dialogs.dirty")

    count = await assert_the_same(f"message-documents={path}", GROUP_MESSAGES, path)

    assert count == 1507

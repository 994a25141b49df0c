"""group-messages: individual message documents become the sessions that they name.

A session is the messages with one (`user_id`, `session_id`), by `created_at` as an instant, then
by id.
"""

from app.formats.message_documents import MessageDocuments
from migrations.job import Job

GROUP_MESSAGES = Job(name="group-messages", format=MessageDocuments())

"""sessions-to-projects: old sessions become projects, each with its conversation and all it has.

The session keeps its id; the project has one that is derived from it, and names it as its origin.
"""

from app.formats.old_sessions import OldSessions
from migrations.job import Job
from migrations.jobs.fold_sessions import FOLD_SESSIONS

SESSIONS_TO_PROJECTS = Job(
    name="sessions-to-projects",
    summary="Make a project of each old session: its conversation, failures and artifacts."
    " Messages and artifacts lie inside the session's document, or beside it as documents of their"
    " own in the same source, in any order: cat sessions.jsonl messages.jsonl artifacts.jsonl.",
    make_format=OldSessions,
    open_source=FOLD_SESSIONS.open_source,
    makes_projects=True,
)

"""Readers: which way of verify's own belongs to which format."""

from collections.abc import Callable, Mapping

from app.domain.source_options import SourceOptions
from migrations.expected import ExpectedReader
from migrations.expected_old_sessions import ExpectedOldSessions
from migrations.expected_record import ExpectedRecords
from migrations.expected_session import ExpectedDocuments
from migrations.expected_tree import ExpectedTree

READERS: Mapping[str, Callable[[SourceOptions], ExpectedReader]] = {
    "message-documents": ExpectedRecords,
    "session-documents": ExpectedDocuments,
    "json-tree": ExpectedTree,
    "old-sessions": ExpectedOldSessions,
}
"""By the name of a format."""

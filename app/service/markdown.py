"""Sessions as Markdown, for people who want to read or keep a chat."""

from app.domain.instants import instant_text
from app.domain.message import ChatMessage
from app.domain.session import ChatSession


def markdown_of(session: ChatSession) -> str:
    """The name, then each message under a heading of who spoke and when; texts as they are."""
    name = _in_one_line(session.session_name or session.id)
    span = f"{instant_text(session.created_at)} to {instant_text(session.updated_at)}"
    head = f"# {name}\n\n{session.message_count} messages, {span}\n"
    return "\n".join([head, *(_section(message) for message in session.messages)])


def _section(message: ChatMessage) -> str:
    heading = f"## {message.message_type} · {instant_text(message.created_at)}\n"
    return f"{heading}\n{'*(deleted)*' if message.is_deleted else message.content}\n"


def _in_one_line(text: str) -> str:
    return " ".join(text.split())

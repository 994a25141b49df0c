"""What routes ask for, as Annotated aliases: who asks, whose session, which service.

All of it is `async`, also what waits for nothing: FastAPI runs plain functions in a thread, which
costs a request more than all else that it asks for here.
"""

import re
from typing import Annotated, cast

from fastapi import Depends, Header, Path, Query
from starlette.requests import Request

from app.api.auth import Authenticator, Principal
from app.api.etags import precondition_of
from app.api.paths import decode_id
from app.domain.identity import ANONYMOUS, SessionKey, checked_id
from app.domain.session import Precondition
from app.errors import (
    BlankProjectError,
    Fault,
    InvalidInputError,
    MessageNotFoundError,
    ProjectNotFoundError,
    SessionNotFoundError,
    UserRequiredError,
)
from app.service.artifacts import ArtifactService
from app.service.live import LiveService
from app.service.project_context import ProjectContextService
from app.service.project_sessions import ProjectSessionService
from app.service.projects import ProjectService
from app.service.replies import ReplyService
from app.service.sessions import SessionService
from app.service.users import UserService

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def session_service(request: Request) -> SessionService:
    """The application's one service of sessions."""
    return cast("SessionService", request.app.state.sessions)


async def reply_service(request: Request) -> ReplyService:
    """The application's one service of replies."""
    return cast("ReplyService", request.app.state.replies)


async def user_service(request: Request) -> UserService:
    """The application's one service of users."""
    return cast("UserService", request.app.state.users)


async def project_service(request: Request) -> ProjectService:
    """The application's one service of projects."""
    return cast("ProjectService", request.app.state.projects)


async def project_session_service(request: Request) -> ProjectSessionService:
    """The application's one service of sessions in projects."""
    return cast("ProjectSessionService", request.app.state.project_sessions)


async def live_service(request: Request) -> LiveService:
    """The application's one service of sessions that are followed."""
    return cast("LiveService", request.app.state.live)


async def project_context_service(request: Request) -> ProjectContextService:
    """The application's one service of what projects have learnt."""
    return cast("ProjectContextService", request.app.state.project_context)


async def artifact_service(request: Request) -> ArtifactService:
    """The application's one service of what projects make."""
    return cast("ArtifactService", request.app.state.artifacts)


def authenticator(request: Request) -> Authenticator:
    """The application's authenticator."""
    return cast("Authenticator", request.app.state.authenticator)


async def principal(request: Request) -> Principal:
    """Who is asking; in open mode perhaps nobody."""
    return await authenticator(request).principal(request)


async def callers_user(request: Request) -> str:
    """The user who is asking.

    Raises:
        UserRequiredError: the request does not say.
    """
    user_id = (await principal(request)).user_id
    if user_id is None:
        raise UserRequiredError
    return user_id


async def owner(request: Request) -> str:
    """The user who is asking, where clients that name nobody are one user together."""
    user_id = (await principal(request)).user_id
    return ANONYMOUS if user_id is None else user_id


async def callers_session(
    request: Request,
    session_id: Annotated[
        str, Path(description="Percent-encoded, or `~` and the base64url of the id.")
    ],
) -> SessionKey:
    """The session in the path, of the user who is asking.

    Raises:
        SessionNotFoundError: the path holds no id, or nobody is asking and nobody has this session.
        UserRequiredError: nobody is asking, and several have it.
    """
    user_id = (await principal(request)).user_id
    sessions = await session_service(request)
    return await sessions.key_of(user_id, decode_session_id(session_id))


def decode_session_id(segment: str) -> str:
    """The id of a session in a segment of the path.

    Raises:
        SessionNotFoundError: it holds none.
    """
    session_id = decode_id(segment)
    if session_id is None:
        raise SessionNotFoundError(segment)
    return session_id


async def project_in_path(
    project_id: Annotated[
        str, Path(description="Percent-encoded, or `~` and the base64url of the id.")
    ],
) -> str:
    """The id of the project in the path.

    Raises:
        BlankProjectError: it is blank.
        ProjectNotFoundError: the path holds no id.
    """
    decoded = decode_id(project_id)
    if decoded is not None and not decoded.strip():
        raise BlankProjectError
    try:
        return checked_id(decoded or "")
    except ValueError:
        raise ProjectNotFoundError(project_id) from None


async def message_in_path(
    session_id: Annotated[str, Path()],
    message_id: Annotated[
        str, Path(description="Percent-encoded, or `~` and the base64url of the id.")
    ],
) -> str:
    """The id of the message in the path.

    Raises:
        MessageNotFoundError: the path holds no id.
    """
    decoded = decode_id(message_id)
    if decoded is None:
        raise MessageNotFoundError(decode_session_id(session_id), message_id)
    return decoded


async def seen_versions(
    request: Request,
    if_match: Annotated[  # noqa: ARG001 - only for the document; all its lines are read together
        str | None, Header(description="Write only if the session is at one of these ETags.")
    ] = None,
) -> Precondition | None:
    """What `If-Match` asks.

    Raises:
        InvalidETagError: it holds no entity tags of ours.
    """
    return precondition_of(request)


async def idempotency_key_of(
    idempotency_key: Annotated[
        str | None, Header(description="1 to 255 visible ASCII characters; makes a retry safe.")
    ] = None,
) -> str | None:
    """The `Idempotency-Key`.

    Raises:
        InvalidInputError: it is not 1 to 255 visible characters.
    """
    if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise InvalidInputError(Fault("Idempotency-Key", "must be 1 to 255 visible characters"))
    return idempotency_key


async def named_user(
    user_id: Annotated[
        str | None,
        Query(description="The user, in open mode; elsewhere it must agree with the credential."),
    ] = None,
    x_user_id: Annotated[str | None, Header(description="The same as a header.")] = None,
) -> None:
    """Document how any request may name its user; the authenticator reads both by itself."""


async def operator(request: Request) -> None:
    """Let only operators go on; raises as `Authenticator.admit_operator` does."""
    await authenticator(request).admit_operator(request)


Caller = Annotated[Principal, Depends(principal)]
CallersUser = Annotated[str, Depends(callers_user)]
Owner = Annotated[str, Depends(owner)]
CallersSession = Annotated[SessionKey, Depends(callers_session)]
ProjectInPath = Annotated[str, Depends(project_in_path)]
MessageInPath = Annotated[str, Depends(message_in_path)]
SeenVersions = Annotated[Precondition | None, Depends(seen_versions)]
IdempotencyKey = Annotated[str | None, Depends(idempotency_key_of)]
Sessions = Annotated[SessionService, Depends(session_service)]
Projects = Annotated[ProjectService, Depends(project_service)]
ProjectSessions = Annotated[ProjectSessionService, Depends(project_session_service)]
Live = Annotated[LiveService, Depends(live_service)]
ProjectContexts = Annotated[ProjectContextService, Depends(project_context_service)]
Artifacts = Annotated[ArtifactService, Depends(artifact_service)]
Replies = Annotated[ReplyService, Depends(reply_service)]
Users = Annotated[UserService, Depends(user_service)]

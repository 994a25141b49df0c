"""The exception hierarchy: what can go wrong, in the words of the domain; knows nothing of HTTP.

Each leaf carries a stable `code` and a fixed `title`, keeps what it knows as typed attributes, and
builds its own message. Doors and the command line translate classes, never texts.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class Fault(NamedTuple):
    """What is wrong with an input, and where: a JSON pointer, or a parameter's name."""

    pointer: str
    detail: str


class AppError(Exception):
    """The base of every error that Chatfold raises on purpose."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"


# --- not found ----------------------------------------------------------------------------------


class NotFoundError(AppError):
    """What was asked for is not there, or belongs to someone else; the two are not told apart."""

    code = "not_found"
    title = "Not found"


class SessionNotFoundError(NotFoundError):
    """The user has no session with this id."""

    code = "session_not_found"
    title = "No such session"

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"There is no session {session_id!r} for this user.")


class AdminDoorClosedError(NotFoundError):
    """No operator is configured, and so there is no door for one."""

    code = "admin_door_closed"
    title = "There is no door for operators here"

    def __init__(self) -> None:
        super().__init__("Neither CHATFOLD_ADMIN_KEYS nor CHATFOLD_ADMIN_CLAIM is set.")


class MessageNotFoundError(NotFoundError):
    """The session has no living message with this id."""

    code = "message_not_found"
    title = "No such message"

    def __init__(self, session_id: str, message_id: str) -> None:
        self.session_id = session_id
        self.message_id = message_id
        super().__init__(f"Session {session_id!r} has no message {message_id!r}.")


class ProjectNotFoundError(NotFoundError):
    """The user has no project with this id."""

    code = "project_not_found"
    title = "No such project"

    def __init__(self, project_id: str) -> None:
        self.project_id = project_id
        super().__init__(f"There is no project {project_id!r} for this user.")


class SessionNotInProjectError(NotFoundError):
    """The project has no session with this id; whether another one has it is not told."""

    code = "session_not_in_project"
    title = "No such session in the project"

    def __init__(self, project_id: str, session_id: str) -> None:
        self.project_id = project_id
        self.session_id = session_id
        super().__init__(f"Project {project_id!r} has no session {session_id!r}.")


class ArtifactNotFoundError(NotFoundError):
    """The project has no artifact with this id; whether another one has it is not told."""

    code = "artifact_not_found"
    title = "No such artifact in the project"

    def __init__(self, project_id: str, artifact_id: str) -> None:
        self.project_id = project_id
        self.artifact_id = artifact_id
        super().__init__(f"Project {project_id!r} has no artifact {artifact_id!r}.")


class ArtifactVersionNotFoundError(NotFoundError):
    """The artifact has no version with this number."""

    code = "artifact_version_not_found"
    title = "No such version of the artifact"

    def __init__(self, artifact_id: str, number: int) -> None:
        self.artifact_id = artifact_id
        self.number = number
        super().__init__(f"Artifact {artifact_id!r} has no version {number}.")


class SessionWithoutProjectError(NotFoundError):
    """The session is there, but in no project."""

    code = "session_without_project"
    title = "The session is in no project"

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"Session {session_id!r} is in no project, so that no page shows it.")


# --- conflicts ----------------------------------------------------------------------------------


class ConflictError(AppError):
    """The request is fine, the state it meets is not; read again and decide anew."""

    code = "conflict"
    title = "Conflict"


class SessionExistsError(ConflictError):
    """A session with this id exists and was not made by this very request."""

    code = "session_exists"
    title = "The session exists"

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"Session {session_id!r} exists already.")


class SessionNotEmptyError(ConflictError):
    """The session has messages, and only an empty one was to be deleted."""

    code = "session_not_empty"
    title = "The session has messages"

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"Session {session_id!r} has messages; it was to be deleted if empty.")


class ProjectNotEmptyError(ConflictError):
    """The project has sessions, and only an empty one was to be deleted."""

    code = "project_not_empty"
    title = "The project has sessions"

    def __init__(self, project_id: str) -> None:
        self.project_id = project_id
        super().__init__(f"Project {project_id!r} has sessions; `force` deletes them, too.")


class RevisionMismatchError(ConflictError):
    """The session is not at the revision the caller has read."""

    code = "revision_mismatch"
    title = "The session has changed"
    thing: ClassVar[str] = "Session"

    def __init__(self, id_: str, *, current_generation: str, current_revision: int) -> None:
        self.id = id_
        self.current_generation = current_generation
        self.current_revision = current_revision
        super().__init__(f"{self.thing} {id_!r} is at revision {current_revision} now.")


class ProjectRevisionMismatchError(RevisionMismatchError):
    """The project is not at the revision the caller has read."""

    code = "project_revision_mismatch"
    title = "The project has changed"
    thing = "Project"


class ProjectExistsError(ConflictError):
    """The key of this creation came with other members before."""

    code = "project_exists"
    title = "The project exists"

    def __init__(self, project_id: str) -> None:
        self.project_id = project_id
        super().__init__(f"Project {project_id!r} was made by this key with other members.")


class StatusTransitionError(ConflictError):
    """A project cannot become that from where it is in its life."""

    code = "status_transition"
    title = "The project cannot become that"

    def __init__(self, current: str, wanted: str) -> None:
        self.current = current
        self.wanted = wanted
        super().__init__(f"A project that is {current!r} cannot become {wanted!r}.")


class SelectionChangedError(ConflictError):
    """What lies in the selected range is no longer what was selected; nothing was changed."""

    code = "selection_changed"
    title = "The selected text has changed"

    def __init__(self, current_text: str) -> None:
        self.current_text = current_text
        """The whole text as it is now, to select in anew."""
        super().__init__("The selected range no longer holds the selected text.")


class ArtifactRevisionMismatchError(RevisionMismatchError):
    """The artifact has another newest version than the one the caller has read."""

    code = "artifact_revision_mismatch"
    title = "The artifact has a newer version"
    thing = "Artifact"


class EngineBusyError(ConflictError):
    """This process is at work on a migration already; let that end, or stop it."""

    code = "engine_busy"
    title = "A migration is at work"

    def __init__(self, kind: str, source: str) -> None:
        super().__init__(f"This process is at work already: {kind} of {source}.")


class EngineRefusalError(ConflictError):
    """The engine has looked at what it was to do, and cannot begin; `reason` says why."""

    code = "engine_refusal"
    title = "The migration cannot begin"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class ReplyRunningError(ConflictError):
    """The session has a reply under way; listen to that one, or wait for its end."""

    code = "reply_running"
    title = "A reply is under way"

    def __init__(self, session_id: str, message_id: str) -> None:
        self.session_id = session_id
        self.message_id = message_id
        super().__init__(f"Session {session_id!r} waits for the end of reply {message_id!r}.")


class NothingToAnswerError(ConflictError):
    """The session has no message that could be answered."""

    code = "nothing_to_answer"
    title = "There is nothing to answer"

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"Session {session_id!r} has no message to answer.")


# --- input --------------------------------------------------------------------------------------


class InvalidInputError(AppError):
    """The input breaks a rule; `faults` name each place."""

    code = "invalid_input"
    title = "The input is not valid"

    def __init__(self, *faults: Fault) -> None:
        self.faults: Sequence[Fault] = faults
        super().__init__("; ".join(f"{f.pointer or 'input'}: {f.detail}" for f in faults))


class MalformedJSONError(InvalidInputError):
    """The body is not JSON (RFC 8259) in UTF-8."""

    code = "malformed_json"
    title = "The body is not JSON"


class BlankProjectError(InvalidInputError):
    """A path names no project."""

    code = "blank_project"
    title = "The project's id is blank"

    def __init__(self) -> None:
        super().__init__(Fault("project_id", "must not be blank"))


class InvalidCursorError(InvalidInputError):
    """The cursor was not made by this listing for this user."""

    code = "invalid_cursor"
    title = "The cursor cannot be used here"

    def __init__(self) -> None:
        super().__init__(
            Fault("cursor", "is not a cursor of this listing; start again without a cursor")
        )


class InvalidETagError(InvalidInputError):
    """A precondition header or `since` does not hold an entity tag."""

    code = "invalid_etag"
    title = "Not an entity tag"

    def __init__(self, where: str) -> None:
        super().__init__(Fault(where, 'must be an entity tag as it was sent, such as "9f2c-7"'))


class UserRequiredError(InvalidInputError):
    """The request does not say who is asking, and it cannot be inferred."""

    code = "user_required"
    title = "Who is asking?"

    def __init__(self) -> None:
        super().__init__(
            Fault("user_id", "name the user by the user_id parameter or the X-User-Id header")
        )


class MessageIdConflictError(InvalidInputError):
    """A known message id came with another content; nothing of the batch was stored."""

    code = "message_id_conflict"
    title = "The message id is taken"

    def __init__(self, message_id: str, index: int) -> None:
        self.message_id = message_id
        self.index = index
        super().__init__(
            Fault(f"/{index}/id", f"{message_id!r} was stored before with another content")
        )


class ParentNotFoundError(InvalidInputError):
    """A message names a parent that its session does not have; nothing of the batch was stored."""

    code = "parent_not_found"
    title = "No such parent message"

    def __init__(self, parent_id: str, index: int) -> None:
        self.parent_id = parent_id
        self.index = index
        super().__init__(Fault(f"/{index}/parent_id", f"the session has no message {parent_id!r}"))


class RequestKeyConflictError(InvalidInputError):
    """The `Idempotency-Key` came with another request before; nothing was stored."""

    code = "request_key_conflict"
    title = "The key belongs to another request"

    def __init__(self) -> None:
        super().__init__(Fault("Idempotency-Key", "came with another request before"))


# --- permissions --------------------------------------------------------------------------------


class AuthenticationError(AppError):
    """There is no credential, or it does not hold."""

    code = "unauthenticated"
    title = "A valid credential is needed"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class KeysUnavailableError(AppError):
    """The keys that would prove a credential cannot be fetched; the credential may well hold."""

    code = "keys_unavailable"
    title = "The signing keys are not available"
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__("The keys that prove a token cannot be fetched now; try again later.")


class PermissionDeniedError(AppError):
    """The credential holds, but not for this user."""

    code = "wrong_user"
    title = "Not your data"

    def __init__(self) -> None:
        super().__init__("The user named in the request is not the one the credential speaks for.")


class OperatorRequiredError(PermissionDeniedError):
    """The credential holds, but it is not an operator's."""

    code = "operator_required"
    title = "For operators only"

    def __init__(self) -> None:
        AppError.__init__(self, "The credential is a user's; this is for operators.")


class SourceNotAllowedError(PermissionDeniedError):
    """Over HTTP only sources can be named that the settings allow."""

    code = "source_not_allowed"
    title = "Not a source for this door"

    def __init__(self) -> None:
        AppError.__init__(self, "The source does not lie in what CHATFOLD_ADMIN_SOURCES allows.")


# --- limits -------------------------------------------------------------------------------------


class LimitExceededError(AppError):
    """The input is larger than a published limit; nothing was stored."""

    code = "limit_exceeded"
    title = "Too large"

    def __init__(self, what: str, limit: int, unit: str) -> None:
        self.what = what
        self.limit = limit
        self.unit = unit
        super().__init__(f"{what} may have at most {limit:,} {unit}.")


class DocumentTooLargeError(LimitExceededError):
    """A message, a batch or a header has more bytes than the store keeps."""

    code = "document_too_large"
    title = "The document is too large"


# --- the end of old doors -----------------------------------------------------------------------


class EndpointSunsetError(AppError):
    """A deprecated endpoint has passed its announced end."""

    code = "endpoint_sunset"
    title = "This endpoint has ended"

    def __init__(self, successor: str) -> None:
        self.successor = successor
        super().__init__(f"This endpoint has passed its announced end; use {successor} instead.")


# --- the assistant ------------------------------------------------------------------------------


class AssistantError(AppError):
    """There is no reply, or no more of it; what came before is kept."""

    code = "assistant_error"
    title = "The assistant gave no answer"


class AssistantMissingError(AssistantError):
    """No assistant is configured; messages are stored all the same."""

    code = "assistant_missing"
    title = "There is no assistant here"

    def __init__(self) -> None:
        super().__init__(
            "Nobody answers here: set CHATFOLD_ASSISTANT_URL to the base of an OpenAI-compatible"
            " API, such as http://127.0.0.1:11434/v1, and CHATFOLD_ASSISTANT_MODEL to a model of"
            " its. The message is stored."
        )


class AssistantBusyError(AssistantError):
    """This process writes as many replies as it may; nothing was stored."""

    code = "assistant_busy"
    title = "Too many replies are under way"
    retry_after_seconds = 5

    def __init__(self) -> None:
        super().__init__("Too many replies are under way here; try again soon.")


class AssistantFailedError(AssistantError):
    """The assistant could not be reached, refused, or broke off.

    `reason` is a stable word; what the assistant said itself is not repeated, since it may hold
    our key.
    """

    code = "assistant_failed"
    title = "The assistant failed"

    def __init__(
        self, reason: str, detail: str, *, retry_after_seconds: float | None = None
    ) -> None:
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        super().__init__(detail)


# --- stores -------------------------------------------------------------------------------------


class StoreError(AppError):
    """The store could not do its work; never to be read as "not there"."""

    code = "store_error"
    title = "The store failed"


class StoreUnavailableError(StoreError):
    """The store cannot be reached or used for now; the same request may succeed later."""

    code = "store_unavailable"
    title = "The store is not available"

    def __init__(self, reason: str, *, retry_after_seconds: int = 1) -> None:
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        super().__init__(reason)


class StoreBusyError(StoreUnavailableError):
    """Someone else held the store for longer than we wait, or it has too much to do."""

    code = "store_busy"
    title = "The store is busy"


class StoreAuthenticationError(StoreUnavailableError):
    """The store does not take our credentials, or they do not allow what we ask."""

    code = "store_authentication"
    title = "The store refuses our credentials"

    def __init__(self) -> None:
        super().__init__("The database refuses the credentials, or they do not allow this.")


class StoreFullError(StoreUnavailableError):
    """The disk has no room; nothing of the request was stored."""

    code = "store_full"
    title = "The store's disk is full"


class StoreReadOnlyError(StoreUnavailableError):
    """The store's file or folder cannot be written."""

    code = "store_read_only"
    title = "The store cannot be written"


class LegacySourceUnavailableError(StoreUnavailableError):
    """A source that is still in use cannot be read; what is not in the store cannot be known."""

    code = "legacy_source_unavailable"
    title = "A legacy source is not available"

    def __init__(self, label: str) -> None:
        self.label = label
        super().__init__(f"The legacy source of {label} cannot be read for now.")


class StoreVersionError(StoreError):
    """The store was written by a newer Chatfold, or the library below it is too old."""

    code = "store_version"
    title = "The store's version does not fit"


class CorruptStoreError(StoreError):
    """The store's file is damaged; restore it from a backup before writing anything more."""

    code = "store_corrupt"
    title = "The store is damaged"


class CorruptDocumentError(StoreError):
    """A stored document cannot be decoded; its neighbours are not affected."""

    code = "document_corrupt"
    title = "A stored document is damaged"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"The stored {what} cannot be decoded.")


# --- start-up and migrations --------------------------------------------------------------------


class ConfigurationError(AppError):
    """A setting is wrong; the sentence says which and what would be right."""

    code = "configuration"
    title = "A setting is wrong"


class MigrationError(AppError):
    """A migration cannot go on; what it has stored so far is whole."""

    code = "migration"
    title = "The migration stopped"


class SourceError(MigrationError):
    """The source cannot be opened or read."""

    code = "source"
    title = "The source cannot be read"


class UnknownRunError(MigrationError):
    """The ledger knows no run of this id."""

    code = "run_unknown"
    title = "No such run"

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"There is no run {run_id!r}.")


class RunBusyError(MigrationError):
    """Another process is at work on the run."""

    code = "run_busy"
    title = "The run is under way"

    def __init__(self, run_id: str, host: str, process_id: int) -> None:
        self.run_id = run_id
        super().__init__(
            f"Process {process_id} on {host} works on run {run_id}."
            " If that is gone for sure, the run can be taken over (--take-over, or take_over)."
        )


class RunTakenOverError(MigrationError):
    """Another process has gone on with the run."""

    code = "run_taken_over"
    title = "The run was taken over"

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"Another process has gone on with run {run_id}.")


class RunStateError(MigrationError):
    """The run is not as far as that, or farther."""

    code = "run_state"
    title = "Not with this run"

"""Wire models of the door for operators."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.instants import Instant


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class FoldRequest(BaseModel):
    """Which job is to fold what; the options are those of the command line."""

    model_config = ConfigDict(extra="forbid")

    job: str
    source: str
    """An absolute path, or `mongodb://host/database.collection` without user and options."""
    limit: Annotated[int | None, Field(ge=1)] = None
    """Read so many records at most."""
    user: str | None = None
    session: str | None = None
    """Only the sessions of this user, or with this id."""
    fields: dict[str, str] = {}
    """Names of fields in the source by ours, such as `{"created_at": "timestamp"}`."""
    default_user: str | None = None
    time_zone: str | None = None


class RunRequest(FoldRequest):
    """The same, and how it is to go about it."""

    max_rate: Annotated[float | None, Field(ge=0.1, allow_inf_nan=False)] = None
    """Store no more messages in a second than this."""
    take_over: bool = False
    """Go on with a run though another machine may be at work on it."""


class RollbackRequest(BaseModel):
    """How a run is to be undone."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = False
    """Only say what would be done, as a stream."""
    source: str | None = None
    """Of a finished run whose source is a collection that asks for a password."""
    take_over: bool = False


class FinishRequest(BaseModel):
    """What is to become of the source of a run that is verified."""

    model_config = ConfigDict(extra="forbid")

    source: str
    """As in the order of the run."""
    manner: Literal["rename", "remove", "mark"] = "rename"
    """It gets another name, loses what was folded, or is only marked."""
    backup_folder: str | None = None
    """An absolute path in what the settings allow; by default the folder of the source."""
    no_backup: bool = False
    """Keep no copy; with `remove` there is no way back then."""
    dry_run: bool = False
    """Only say what would be done, as a stream."""
    take_over: bool = False


class JobView(_View):
    """A named migration."""

    name: str
    summary: str
    reads_folder: bool


class RunView(_View):
    """How far a run is."""

    run_id: str
    job: str
    source: str
    state: str
    is_at_work: bool
    is_interrupted: bool
    began_at: Instant
    ended_at: Instant | None
    seconds: float
    """At work, all processes together; written down when one ends."""
    records_read: int | None
    verified_at: Instant | None


class Migrations(_View):
    """What can be done, and what was, the newest first."""

    jobs: list[JobView]
    runs: list[RunView]


class ProgressView(_View):
    """The data of an event `progress`."""

    phase: str
    done: int
    total: int | None
    records: int
    records_per_second: int | None
    remaining_seconds: float | None


class EndView(_View):
    """The data of an event `end`, the last one."""

    outcome: str
    report: dict[str, Any] | None
    reason: str | None
    code: str | None
    """With a reason: that of the problem."""


class CallsView(_View):
    """Calls of a deprecated endpoint by one caller on one day."""

    day: date
    endpoint: str
    client: str
    """The product that the caller's `User-Agent` names."""
    count: int


class CallersView(BaseModel):
    """Who still calls deprecated endpoints; by this process, since it began."""

    since: Instant
    process_id: int
    processes: int
    """How many share the calls; `/metrics` has the sums of all of them."""
    sunset_at: Instant
    """Of the legacy door."""
    flat_sunset_at: Instant
    """Of `/api/chat-sessions`."""
    sessions_sunset_at: Instant
    """Of the session routes of `/api/v1`."""
    calls: list[CallsView]


class SlowRequestView(_View):
    """A request that took long for its route."""

    method: str
    route: str
    status: int
    seconds: float
    request_id: str
    """The log has more under it."""
    at: Instant


class PartView(_View):
    """How much one part of a store holds; null where the store cannot tell."""

    name: str
    documents: int | None
    documents_bytes: int | None
    storage_bytes: int | None
    indexes_bytes: int | None
    index_sizes_bytes: dict[str, int]


class StatusView(_View):
    """How the store and the process that answers are, and what was slow in the last hour."""

    store_kind: str
    store_url: str
    store_problem: str | None
    sizes_bytes: dict[str, int]
    store_parts: list[PartView]
    """Of a database: its collections."""
    sizes_unknown: dict[str, str]
    """Why a size is not told."""
    versions: dict[str, str]
    process_id: int
    began_at: Instant
    uptime_seconds: float
    slow_requests: list[SlowRequestView]
    """A few of each route, the slowest first."""

"""What clients of deprecated routes call instead: the data of `docs/migrating-clients.md`."""

from typing import Any, NamedTuple

EXAMPLE_IDS = {
    "{session_id}": "trip",
    "{conversation_id}": "trip",
    "{project_id}": "garden",
}
"""What the examples of the page put into paths; `tests/docs` makes all of it before."""


class Call(NamedTuple):
    """One request to one route."""

    method: str
    route: str
    query: str = ""
    body: dict[str, Any] | None = None
    streams: bool = False
    is_page: bool = False
    """It is for browsers, which go where it leads."""

    @property
    def target(self) -> str:
        """The path of the example, with its query."""
        path = self.route
        for name, id_ in EXAMPLE_IDS.items():
            path = path.replace(name, id_)
        return f"{path}?{self.query}" if self.query else path

    @property
    def name(self) -> str:
        """The route as tables name it."""
        return f"{self.method} {self.route}"


class Move(NamedTuple):
    """A deprecated route, and what takes its place."""

    old: Call
    new: tuple[Call, ...]
    changes: str
    """What is different besides the address."""


class Door(NamedTuple):
    """Deprecated routes that end together."""

    title: str
    setting: str
    """What the names of its two settings begin with."""
    text: str
    moves: tuple[Move, ...]


_CANONICAL = "/api/chat/sessions/{session_id}"
_NESTED = "/api/projects/{project_id}/sessions"
_FLAT = "/api/chat-sessions"
_PROJECT = "/api/v1/projects/{project_id}"
_CONVERSATIONS = f"{_PROJECT}/conversations"
_OLD = "/api/v1/sessions"
_SAYING = {"role": "user", "content": "When is it back?"}

LEGACY = Door(
    "Messages that carry their session",
    "legacy",
    "The oldest door knows messages only, each with a `session_id`. Its successor knows sessions,"
    " and brings all of one in a single read.",
    (
        Move(
            Call("GET", "/api/chat/history", "session_id=trip"),
            (Call("GET", _CANONICAL), Call("GET", "/api/chat/sessions")),
            "One object instead of an array, its `messages` in the order of `seq`. Keep the `ETag`:"
            " with `If-None-Match` an unchanged session is a 304, `?since=` brings what is new, and"
            " `/events` tells it. Who asked without `session_id` lists the sessions, and reads"
            " those that are shown.",
        ),
        Move(
            Call(
                "POST",
                "/api/chat/message",
                body={"session_id": "trip", "content": "When is it back?"},
            ),
            (
                Call("POST", "/api/chat/sessions", body={"id": "next-trip"}),
                Call("POST", f"{_CANONICAL}/messages", body={"content": "When is it back?"}),
            ),
            "A session is made before its first message; its id may be yours. 201 with"
            ' `{"messages": […]}` instead of 200 with the message. An `id` of yours, or an'
            " `Idempotency-Key`, makes a retry safe. `?reply=true` becomes"
            " `POST /api/chat/sessions/{session_id}/reply`, which streams.",
        ),
    ),
)

FLAT = Door(
    "Sessions without their project in the path",
    "flat",
    "Bodies stay as they are; the address gets the project. Every answer has it: in `project_id`,"
    " and in `Link`, which names the nested route of that very session. A session in no project has"
    ' `"project_id": null` here and no nested route; `Link` then names it at `/api/chat/sessions`,'
    " where `PUT` with a `project_id` puts it into one.",
    (
        Move(
            Call("POST", _FLAT, body={"title": "Beans", "project_id": "garden"}),
            (Call("POST", _NESTED, body={"title": "Beans"}),),
            "The project is in the path and made where it is not known.",
        ),
        Move(
            Call("GET", _FLAT, "project_id=garden"),
            (Call("GET", _NESTED), Call("GET", "/api/chat/sessions")),
            "A list is that of one project. All sessions of a user are at `/api/chat/sessions`, by"
            " pages.",
        ),
        Move(
            Call("GET", f"{_FLAT}/{{session_id}}"),
            (Call("GET", f"{_NESTED}/{{session_id}}"),),
            "Nothing else.",
        ),
        Move(
            Call("PUT", f"{_FLAT}/{{session_id}}", body={"title": "Peas"}),
            (Call("PUT", f"{_NESTED}/{{session_id}}", body={"title": "Peas"}),),
            "Nothing else.",
        ),
        Move(
            Call("DELETE", f"{_FLAT}/{{session_id}}", "force=true"),
            (Call("DELETE", f"{_NESTED}/{{session_id}}", "force=true"),),
            "Nothing else.",
        ),
        Move(
            Call("POST", f"{_FLAT}/{{session_id}}/messages", body=_SAYING),
            (Call("POST", f"{_NESTED}/{{session_id}}/messages", body=_SAYING),),
            "Nothing else.",
        ),
        Move(
            Call("GET", f"{_FLAT}/{{session_id}}/messages", "limit=50"),
            (Call("GET", f"{_NESTED}/{{session_id}}/messages", "limit=50"),),
            "Nothing else.",
        ),
        Move(
            Call("GET", f"{_FLAT}/{{session_id}}/full"),
            (Call("GET", f"{_NESTED}/{{session_id}}/full"),),
            "Nothing else.",
        ),
    ),
)

WORKSPACE = Door(
    "Sessions of a workspace",
    "sessions",
    "A session is a conversation now, and conversations are in projects. The id of an old session"
    " is that of its conversation; the `project_id` of every answer, and its `Link`, say where it"
    " is.",
    (
        Move(
            Call("POST", _OLD, body={"workspace_id": "home", "title": "Beans"}),
            (
                Call(
                    "POST",
                    "/api/v1/projects",
                    body={"workspace_id": "home", "intent": "Grow beans", "title": "Beans"},
                ),
                Call("POST", _CONVERSATIONS, body={"title": "What to sow"}),
            ),
            "Two steps: a project once, and then any number of conversations in it. The project"
            " says what is wanted (`intent`).",
        ),
        Move(
            Call("GET", _OLD, "workspace_id=home"),
            (Call("GET", "/api/v1/projects", "workspace_id=home"), Call("GET", _CONVERSATIONS)),
            "Pages have a `cursor` instead of `offset`, and no `total`; `Link` has the next one.",
        ),
        Move(
            Call("GET", f"{_OLD}/{{session_id}}"),
            (Call("GET", f"{_CONVERSATIONS}/{{conversation_id}}"),),
            "What concerned the work as a whole (`status`, `workspace_id`) is the project's.",
        ),
        Move(
            Call("GET", f"{_OLD}/{{session_id}}/messages", "limit=50"),
            (Call("GET", f"{_CONVERSATIONS}/{{conversation_id}}/messages", "limit=50"),),
            "Pages have a `cursor`, and no `total`.",
        ),
        Move(
            Call(
                "POST",
                f"{_OLD}/{{session_id}}/chat",
                body={"content": "When to sow?"},
                streams=True,
            ),
            (
                Call(
                    "POST",
                    f"{_PROJECT}/chat",
                    body={"message": "When to sow?", "conversation_id": "trip"},
                    streams=True,
                ),
            ),
            "`message` instead of `content`, which the old route takes as well. Both stream"
            " `message_start`, `delta`, and `message_end` or `error`; with `Last-Event-ID` the same"
            " request goes on where it broke off. Without a `conversation_id` a conversation is"
            " made; a `selection` lets the answer replace a part of an artifact.",
        ),
    ),
)

PAGES = Door(
    "Addresses of pages",
    "legacy",
    "Links of the product that name a session lead to the page of its project.",
    (
        Move(
            Call("GET", "/execution/{session_id}", is_page=True),
            (Call("GET", _PROJECT), Call("GET", _CANONICAL)),
            "A redirect (307) to `/project/{project_id}`. Links are to name the project themselves:"
            " it is the `project_id` of the session.",
        ),
    ),
)

DOORS = (LEGACY, FLAT, WORKSPACE, PAGES)

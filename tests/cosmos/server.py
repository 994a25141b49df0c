"""An account of Azure Cosmos DB on loopback: the calls that its client makes, keys included.

What it knows of the protocol is from "Azure Cosmos DB REST API reference" on learn.microsoft.com:
authorization tokens, status codes, and the headers of queries and their continuations.
"""

import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.cosmos.queries import Query, UnknownQueryError

KEY = base64.b64encode(b"the key of an account on loopback").decode()
_RANGES = (("0", "", "7F"), ("1", "7F", "FF"))
_CROSS_PARTITION_QUERY_NOT_SERVABLE = "1004"

Document = dict[str, Any]


@dataclass
class CosmosContainer:
    """The documents of a container, in two ranges of their partition key."""

    ranges: list[dict[tuple[bytes, str], Document]] = field(default_factory=lambda: [{}, {}])
    """By partition key and id, which together are unique."""
    written: int = 0

    def put(self, documents: Sequence[Document], *, partition_key: str = "user_id") -> None:
        """Add documents as the server keeps them, or replace those that are there."""
        for document in documents:
            self.written += 1
            owner = json.dumps(document.get(partition_key)).encode()
            stored = self.ranges[hashlib.sha256(owner).digest()[0] % 2]
            stored[owner, document["id"]] = {
                **document,
                "_rid": f"rid{self.written:06}==",
                "_self": f"dbs/a==/colls/b==/docs/rid{self.written:06}==/",
                "_etag": f'"{self.written:08}"',
                "_attachments": "attachments/",
                "_ts": 1_704_110_400 + self.written,
            }

    def remove(self, id_: str) -> None:
        """Remove the documents with an id."""
        for stored in self.ranges:
            for key in [key for key in stored if key[1] == id_]:
                del stored[key]


class CosmosServer(ThreadingHTTPServer):
    """The account; tests say what it holds and how it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.containers: dict[str, CosmosContainer] = {"chat/messages": CosmosContainer()}
        self.page_documents = 1000
        """No page has more, whatever is asked for."""
        self.throttled = 0
        """So many requests for documents are answered by 429 next."""
        self.forbidden: HTTPStatus | None = None
        """What every request for documents is answered by."""
        self.documents_sent = 0
        self.requests: list[str] = []
        """`GET /dbs/chat` and the like, in their order."""
        self.queries: list[tuple[str, dict[str, Any]]] = []
        """Text and parameters of the queries that were answered."""

    @property
    def host(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        """Of its first container, as a source."""
        return f"cosmos://{self.host}/chat/messages?tls=false"

    @property
    def container(self) -> CosmosContainer:
        """Its first one."""
        return self.containers["chat/messages"]


class _RefusalError(Exception):
    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message}
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body together; else each waits for the other's acknowledgement
    server: CosmosServer

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its own name
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET", b"")

    def do_POST(self) -> None:
        self._answer("POST", self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, verb: str, body: bytes) -> None:
        path = unquote(self.path).strip("/")
        self.server.requests.append(f"{verb} /{path}")
        headers: dict[str, str] = {}
        try:
            self._check_key(verb, path)
            status, answer = HTTPStatus.OK, self._answered(path, body, headers)
        except _RefusalError as refusal:
            status, answer, headers = HTTPStatus(refusal.status), refusal.body, refusal.headers
        encoded = b"" if status is HTTPStatus.NOT_MODIFIED else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(encoded)

    def _check_key(self, verb: str, path: str) -> None:
        """The signature must be that of the request by the account's key."""
        parts = path.split("/") if path else []
        is_feed = len(parts) % 2 == 1
        kind = parts[-1] if is_feed else parts[-2] if parts else ""
        link = "/".join(parts[:-1] if is_feed else parts)
        date = self.headers["x-ms-date"].lower()
        signed = f"{verb.lower()}\n{kind}\n{link}\n{date}\n\n".encode()
        digest = hmac.new(base64.b64decode(KEY), signed, hashlib.sha256).digest()
        expected = {"type": ["master"], "ver": ["1.0"], "sig": [base64.b64encode(digest).decode()]}
        # A plus sign is one of base64's, and no blank.
        told = unquote(self.headers["Authorization"]).replace("+", "%2B")
        if parse_qs(told) != expected:
            raise _RefusalError(401, "Unauthorized", "The MAC signature found is not the same.")

    def _answered(self, path: str, body: bytes, headers: dict[str, str]) -> Any:
        match path.split("/"):
            case [""]:
                place = {"name": "Here", "databaseAccountEndpoint": f"http://{self.server.host}/"}
                return {
                    "id": "account",
                    "writableLocations": [place],
                    "readableLocations": [place],
                    "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
                    "enableMultipleWriteLocations": False,
                }
            case ["dbs", database]:
                if not any(one.startswith(f"{database}/") for one in self.server.containers):
                    raise _RefusalError(404, "NotFound", "Owner resource does not exist")
                return {"id": database, "_rid": "a==", "_self": "dbs/a==/"}
            case ["dbs", database, "colls", name]:
                self._container(database, name)
                key = {"paths": ["/user_id"], "kind": "Hash", "version": 2}
                return {"id": name, "_rid": "b==", "_self": "dbs/a==/b==/", "partitionKey": key}
            case ["dbs", database, "colls", name, "pkranges"]:
                self._container(database, name)
                headers["ETag"] = '"1"'
                if self.headers["If-None-Match"] == headers["ETag"]:  # there are no newer ones
                    raise _RefusalError(304, "NotModified", "")
                ranges = [
                    {"id": id_, "minInclusive": least, "maxExclusive": most, "parents": []}
                    for id_, least, most in _RANGES
                ]
                return {"_rid": "b==", "PartitionKeyRanges": ranges, "_count": len(ranges)}
            case ["dbs", database, "colls", name, "docs"]:
                return self._documents(self._container(database, name), body, headers)
        raise _RefusalError(400, "BadRequest", "No client of ours asks for this.")

    def _container(self, database: str, name: str) -> CosmosContainer:
        found = self.server.containers.get(f"{database}/{name}")
        if found is None:
            raise _RefusalError(404, "NotFound", "Owner resource does not exist")
        return found

    def _documents(
        self, container: CosmosContainer, body: bytes, headers: dict[str, str]
    ) -> dict[str, Any]:
        if self.server.throttled:
            self.server.throttled -= 1
            raise _RefusalError(
                429, "429", "Request rate is large.", x_ms_retry_after_ms="1", x_ms_substatus="3200"
            )
        if self.server.forbidden is not None:
            raise _RefusalError(self.server.forbidden, "Forbidden", "The firewall blocks it.")
        found: list[list[Any]] = [list(one.values()) for one in container.ranges]
        if body:
            asked = json.loads(body)
            parameters = {one["name"]: one["value"] for one in asked.get("parameters", [])}
            try:
                query = Query.of(asked["query"], parameters)
            except UnknownQueryError as error:
                raise _RefusalError(400, "BadRequest", str(error)) from None
            range_id = self.headers.get("x-ms-documentdb-partitionkeyrangeid")
            if self.headers.get("x-ms-cosmos-is-query-plan-request") == "True":
                return query.plan([list(one[1:]) for one in _RANGES])
            if range_id is None and query.aggregate:
                raise _RefusalError(
                    400,
                    "BadRequest",
                    "Cross partition query can not be directly served by the gateway.",
                    x_ms_substatus=_CROSS_PARTITION_QUERY_NOT_SERVABLE,
                )
            self.server.queries.append((asked["query"], parameters))
            if range_id is not None:
                found = [found[int(range_id)]]
            found = [query.answered(one) for one in found]
        return self._page(found, headers)

    def _page(self, ranges: list[list[Any]], headers: dict[str, str]) -> dict[str, Any]:
        """Those after the continuation, of one range at a time."""
        continuation = self.headers.get("x-ms-continuation")
        number, start = json.loads(base64.b64decode(continuation)) if continuation else (0, 0)
        wanted = int(self.headers.get("x-ms-max-item-count") or 100)
        stop = start + min(self.server.page_documents, wanted if wanted > 0 else 100)
        page = ranges[number][start:stop]
        following = [number, stop] if stop < len(ranges[number]) else [number + 1, 0]
        if following[0] < len(ranges):
            token = base64.b64encode(json.dumps(following).encode()).decode()
            headers["x-ms-continuation"] = token
        self.server.documents_sent += len(page)
        headers["x-ms-item-count"] = str(len(page))
        headers["x-ms-request-charge"] = "2.5"
        return {"_rid": "b==", "Documents": page, "_count": len(page)}


@contextmanager
def running(context: ssl.SSLContext | None = None) -> Generator[CosmosServer]:
    """An account until the end of the block, encrypted where there is a context for it."""
    with CosmosServer() as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

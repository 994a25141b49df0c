"""ChatCompletions: an assistant behind any OpenAI-compatible API, by streaming chat completions.

By httpx and not by the official client: what is needed of that is one request, and its reader of
events holds a line of any length in memory.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import httpx

from app.assistant.chunks import ChunkReader, wire_message
from app.assistant.event_lines import event_data
from app.assistant.port import Delta, Finish, PromptMessage
from app.errors import AssistantFailedError

CONNECT_SECONDS = 10.0
RETRY_PAUSE_SECONDS = 0.5
RETRY_PAUSE_LIMIT_SECONDS = 10.0
"""Who tells us to come back later than this is not asked again."""

_PATH = "/chat/completions"
_EVENT_STREAM = "text/event-stream"
_UNPACKED = "identity"
_END = b"[DONE]"
_FAILURES_OF_THEIRS = 500

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Who is asked, and how long we wait."""

    url: str
    model: str
    api_key: str | None = None
    idle_seconds: float = 60.0
    """How long it may be silent."""
    total_seconds: float = 600.0
    """How long a reply may take, with both tries."""
    retry_pause_seconds: float = RETRY_PAUSE_SECONDS


class ChatCompletions:
    """Asks one model at one server; one second try, and only before the first text has come."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        base = upstream.url.rstrip("/")
        self._url = base if base.endswith(_PATH) else base + _PATH
        headers = {
            "Accept": _EVENT_STREAM,
            "Accept-Encoding": _UNPACKED,  # what is packed could be any size once unpacked
        }
        if upstream.api_key is not None:
            headers["Authorization"] = f"Bearer {upstream.api_key}"
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(upstream.idle_seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None),  # the service bounds its replies
            follow_redirects=False,  # whoever could redirect us would be sent our key
        )

    async def aclose(self) -> None:
        """Let go of every connection."""
        await self._client.aclose()

    async def reply(self, prompt: Sequence[PromptMessage]) -> AsyncGenerator[Delta | Finish]:
        """The pieces of a reply as they come, and its end; see the port."""
        body = {
            "model": self._upstream.model,
            "messages": [wire_message(message) for message in prompt],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        deadline = asyncio.get_running_loop().time() + self._upstream.total_seconds
        for is_last_try in (False, True):
            has_begun = False
            try:
                async with aclosing(self._try(body, deadline)) as parts:
                    async for part in parts:
                        has_begun = True
                        yield part
            except AssistantFailedError as error:
                _log.warning("The assistant failed: %s", error)
                pause_seconds = error.retry_after_seconds
                if has_begun or is_last_try or pause_seconds is None:
                    raise
            else:
                return
            await asyncio.sleep(pause_seconds)

    async def _try(self, body: dict[str, Any], deadline: float) -> AsyncGenerator[Delta | Finish]:
        request = self._client.build_request("POST", self._url, json=body)
        response = await self._within(deadline, self._client.send(request, stream=True))
        reader = ChunkReader()
        try:
            self._check(response)
            async with aclosing(event_data(self._bytes_of(response, deadline))) as events:
                async for data in events:
                    if data.strip() == _END:
                        break
                    if text := reader.take(data):
                        yield Delta(text)
                else:
                    if reader.finish_reason is None:
                        raise self._retryable("broken", "The assistant broke off in its reply.")
        finally:
            await response.aclose()
        if text := reader.rest():
            yield Delta(text)
        yield Finish(reader.finish_reason, reader.usage)

    async def _bytes_of(self, response: httpx.Response, deadline: float) -> AsyncGenerator[bytes]:
        chunks = response.aiter_raw()
        while (chunk := await self._within(deadline, anext(chunks, None))) is not None:
            yield chunk

    async def _within(self, deadline: float, work: Awaitable[T]) -> T:
        """What some work with the server gives, its failures by our names."""
        total = asyncio.timeout_at(deadline)
        try:
            async with total:
                return await work
        except httpx.TimeoutException:
            raise self._retryable("timeout", "The assistant is silent for too long.") from None
        except TimeoutError:
            if not total.expired():
                raise
            raise AssistantFailedError("timeout", "The reply takes too long.") from None
        except httpx.ConnectError:
            raise self._retryable("unreachable", "The assistant cannot be reached.") from None
        except httpx.HTTPError:
            raise self._retryable("broken", "The connection to the assistant broke.") from None

    def _check(self, response: httpx.Response) -> None:
        """Pass if events are to come."""
        status = response.status_code
        if status != HTTPStatus.OK:
            detail = f"The assistant refuses with status {status}."
            wanted = response.headers.get("retry-after", "")
            pause_seconds = float(wanted) if wanted.isdecimal() else 0.0
            is_passing = status == HTTPStatus.TOO_MANY_REQUESTS or status >= _FAILURES_OF_THEIRS
            if is_passing and pause_seconds <= RETRY_PAUSE_LIMIT_SECONDS:
                raise self._retryable("refused", detail, pause_seconds)
            raise AssistantFailedError("refused", detail)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        packing = response.headers.get("content-encoding", _UNPACKED)
        if kind != _EVENT_STREAM or packing != _UNPACKED:
            raise AssistantFailedError("broken", "The assistant does not answer with events.")

    def _retryable(
        self, reason: str, detail: str, pause_seconds: float = 0.0
    ) -> AssistantFailedError:
        """A failure after which a second try may go well."""
        pause_seconds = max(pause_seconds, self._upstream.retry_pause_seconds)
        return AssistantFailedError(reason, detail, retry_after_seconds=pause_seconds)

"""DirectRoute: documented by FastAPI, answered without its parameter solving; for hot routes.

FastAPI solves and validates each declared parameter on each request, which takes longer than
answering from memory does. A direct route declares its parameters in `dependencies=`, where the
OpenAPI document finds them, and its endpoint takes the request alone and reads it with the same
parsers that dependencies of other routes use.
"""

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class DirectRoute(APIRoute):
    """A route whose endpoint is `async (Request) -> Response`, and is called as such."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; another method than the route's gets Starlette's 405."""
        if not self.methods or scope["method"] not in self.methods:
            await super().handle(scope, receive, send)
            return
        response: Response = await self.endpoint(Request(scope, receive))
        await response(scope, receive, send)

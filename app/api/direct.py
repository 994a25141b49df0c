"""DirectRoute: documented by FastAPI, answered without its parameter solving; for hot routes.

FastAPI solves and validates each declared parameter on each request, which takes longer than
answering from memory does. A direct route declares its parameters in `dependencies=`, where the
OpenAPI document finds them, and its endpoint takes the request alone and reads it with the same
parsers that dependencies of other routes use.
"""

from typing import TypeVar

from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import Fault, InvalidInputError

ModelT = TypeVar("ModelT", bound=BaseModel)


class DirectRoute(APIRoute):
    """A route whose endpoint is `async (Request) -> Response`, and is called as such."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; another method than the route's gets Starlette's 405."""
        if not self.methods or scope["method"] not in self.methods:
            await super().handle(scope, receive, send)
            return
        response: Response = await self.endpoint(Request(scope, receive))
        await response(scope, receive, send)


def parse_parameters(model: type[ModelT], request: Request) -> ModelT:
    """The query parameters as a model; those that it does not know are ignored.

    Raises:
        InvalidInputError: a parameter breaks a rule.
    """
    try:
        return model.model_validate(dict(request.query_params.items()))
    except ValidationError as error:
        raise InvalidInputError(
            *(Fault(str(found["loc"][0]), found["msg"]) for found in error.errors())
        ) from None

"""Query parameters as direct routes read them: in a third of the time of `Request.query_params`."""

from typing import TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from app.errors import Fault, InvalidInputError

_PAIRS = "chatfold.query_pairs"  # in the scope, where all who ask about one request meet

ModelT = TypeVar("ModelT", bound=BaseModel)


def query_pairs(request: Request) -> list[tuple[str, str]]:
    """The parameters in the order of the query, decoded as Starlette decodes them, and once."""
    pairs: list[tuple[str, str]] | None = request.scope.get(_PAIRS)
    if pairs is None:
        query = request.scope["query_string"].decode("latin-1")
        pairs = request.scope[_PAIRS] = parse_qsl(query, keep_blank_values=True)
    return pairs


def parse_parameters(model: type[ModelT], request: Request) -> ModelT:
    """The query parameters as a model; those that it does not know are ignored.

    Raises:
        InvalidInputError: a parameter breaks a rule.
    """
    try:
        return model.model_validate(dict(query_pairs(request)))
    except ValidationError as error:
        raise InvalidInputError(
            *(Fault(str(found["loc"][0]), found["msg"]) for found in error.errors())
        ) from None

"""The service with its own limits beside it: endpoints that do all but the work itself."""

from fastapi import FastAPI, Request, Response

from app.api.chat.schemas import PostedMessage
from app.main import serving_app

_ACCEPTED = b'{"messages":[]}'


def app() -> FastAPI:
    """The whole service, and under `/limit` what a route of the same application can reach."""
    application = serving_app()
    remembered = {"body": b"{}"}

    async def remember(request: Request) -> Response:
        remembered["body"] = await request.body()
        return Response(status_code=204)

    async def answer_from_memory() -> Response:
        return Response(remembered["body"], media_type="application/json")

    async def validate_and_forget(_message: PostedMessage) -> Response:
        return Response(_ACCEPTED, status_code=201, media_type="application/json")

    application.add_api_route("/limit/answer", remember, methods=["PUT"])
    application.add_api_route("/limit/answer", answer_from_memory, methods=["GET"])
    application.add_api_route("/limit/append", validate_and_forget, methods=["POST"])
    return application

"""The routes of the project-first door, one file per resource."""

from starlette.routing import BaseRoute

from app.api.v1 import (
    artifact_routes,
    chat_routes,
    context_routes,
    conversation_routes,
    export_routes,
    project_routes,
    session_chat_routes,
    session_routes,
)

ROUTES: list[BaseRoute] = [
    *project_routes.router.routes,
    *conversation_routes.router.routes,
    *chat_routes.router.routes,
    *context_routes.router.routes,
    *artifact_routes.router.routes,
    *session_routes.router.routes,
    *export_routes.router.routes,
    *session_chat_routes.router.routes,
]

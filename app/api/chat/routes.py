"""The routes of the canonical door, the hot ones first: matching goes from the top."""

from app.api.chat import (
    direct_routes,
    event_routes,
    message_routes,
    reply_routes,
    session_routes,
    user_routes,
)

ROUTES = [
    *direct_routes.router.routes,
    *session_routes.router.routes,
    *message_routes.router.routes,
    *event_routes.router.routes,
    *reply_routes.router.routes,
    *user_routes.router.routes,
]

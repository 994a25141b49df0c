"""DocumentedApp: an application whose OpenAPI document also tells of problems and credentials."""

from typing import Any

from fastapi import FastAPI

from app.api.auth import document_security
from app.api.problems import Problem


class DocumentedApp(FastAPI):
    """FastAPI with what its document cannot know by itself."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(problem.pop("$defs", {}))
            schemas["Problem"] = problem
            document_security(document, self.state.authenticator)
        return super().openapi()

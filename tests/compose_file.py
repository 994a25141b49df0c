"""The parts of the Compose Specification that compose.yaml uses, as models that know no others.

https://github.com/compose-spec/compose-spec/blob/main/spec.md; what begins with `x-` is the file's
own business there, and is left out here.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

FILE = Path(__file__).resolve().parents[1] / "compose.yaml"

Duration = Annotated[str, StringConstraints(pattern=r"^\d+(ms|s|m|h)$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Profile = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]+$")]
Port = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+\.\d+:\d+:\d+$")]
"""`address:published:in the container`; an address is never left out."""
Mount = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*:/\S+$")]
"""`volume:path`; nothing of the host is mounted."""


class ComposePart(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Healthcheck(ComposePart):
    test: Annotated[list[str], Field(min_length=2)]
    interval: Duration
    timeout: Duration
    retries: Annotated[int, Field(ge=1)]
    start_period: Duration

    @model_validator(mode="after")
    def _is_a_command(self) -> Self:
        if self.test[0] != "CMD":
            raise ValueError("without a shell, so that nothing needs quoting")
        return self


class Dependency(ComposePart):
    condition: Literal["service_healthy", "service_completed_successfully"]


class Service(ComposePart):
    image: str
    build: str | None = None
    command: list[str] | None = None
    environment: dict[str, str] = {}
    depends_on: dict[Name, Dependency] = {}
    healthcheck: Healthcheck | None = None
    ports: list[Port] = []
    profiles: list[Profile] = []
    restart: Literal["unless-stopped"] | None = None
    """None: it runs once."""
    volumes: list[Mount] = []


class ComposeFile(ComposePart):
    services: dict[Name, Service]
    volumes: dict[Name, None]


def compose_file(document: dict[str, Any] | None = None) -> ComposeFile:
    """The file in the repository, or another document."""
    if document is None:
        document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert document is not None
    own = {name: value for name, value in document.items() if not name.startswith("x-")}
    return ComposeFile.model_validate(own)

"""compose.yaml has the form that Compose reads, and its parts fit each other and the image."""

import re

import pytest
from pydantic import ValidationError

from app.errors import ConfigurationError
from app.settings import Settings
from tests.compose_file import FILE, ComposeFile, Service, compose_file

DOCKERFILE = (FILE.parent / "Dockerfile").read_text(encoding="utf-8")
IMAGE_SETTINGS = dict(re.findall(r"^(?!#).*?\b(CHATFOLD_[A-Z_]+)=(\S+)", DOCKERFILE, re.MULTILINE))
PINNED = re.compile(r"[a-z]+:\d+\.\d+\.\d+")
INITIATED = re.compile(r'_id: "([^"]+)",.*members: \[\{_id: 0, host: "([^"]+):(\d+)"\}\]')


@pytest.fixture
def compose() -> ComposeFile:
    return compose_file()


def replica_sets(compose: ComposeFile) -> dict[str, Service]:
    return {
        name: service
        for name, service in compose.services.items()
        if service.command and "--replSet" in service.command
    }


# --- the file by itself -------------------------------------------------------------------------


def test_a_misspelt_key_is_found() -> None:
    document = {"services": {"one": {"image": "mongo:8.0.30", "dependson": {}}}, "volumes": {}}

    with pytest.raises(ValidationError, match="dependson"):
        compose_file(document)


def test_compose_has_nothing_to_fill_in() -> None:
    assert "$" not in FILE.read_text(encoding="utf-8")


def test_images_are_pinned_or_built_here(compose: ComposeFile) -> None:
    for name, service in compose.services.items():
        assert PINNED.fullmatch(service.image) or service.build == ".", name


def test_ports_are_on_loopback_and_differ(compose: ComposeFile) -> None:
    ports = [port for service in compose.services.values() for port in service.ports]

    assert ports == ["127.0.0.1:8000:8000", "127.0.0.1:8001:8000"]


def test_each_volume_belongs_to_one_server(compose: ComposeFile) -> None:
    mounted = [mount for service in compose.services.values() for mount in service.volumes]

    assert mounted == [
        "mongo:/data/db",
        "config:/data/configdb",
        "shard-a:/data/db",
        "shard-b:/data/db",
    ]
    assert set(compose.volumes) == {mount.partition(":")[0] for mount in mounted}


# --- who waits for whom -------------------------------------------------------------------------


def test_dependencies_can_come_about(compose: ComposeFile) -> None:
    for service in compose.services.values():
        for name, dependency in service.depends_on.items():
            other = compose.services[name]
            if dependency.condition == "service_completed_successfully":
                assert other.restart is None, f"{name} never completes"
            else:
                assert other.healthcheck is not None, f"{name} is never healthy"


def test_dependencies_are_no_circle(compose: ComposeFile) -> None:
    waiting = dict(compose.services)

    while waiting:
        ready = [name for name, one in waiting.items() if not set(one.depends_on) & set(waiting)]
        assert ready, f"these wait for each other: {sorted(waiting)}"
        for name in ready:
            del waiting[name]


def test_a_service_starts_with_no_profile_but_its_own(compose: ComposeFile) -> None:
    for name, service in compose.services.items():
        for other in service.depends_on:
            profiles = compose.services[other].profiles
            assert profiles in ([], service.profiles), f"{name} waits for {other}"


def test_there_is_a_replica_set_and_a_profile_with_a_cluster(compose: ComposeFile) -> None:
    always = [name for name, service in compose.services.items() if service.profiles == []]
    sharded = [name for name, one in compose.services.items() if one.profiles == ["sharded"]]

    assert always == ["mongo", "store-init", "chatfold"]
    assert sharded == [
        "config",
        "shard-a",
        "shard-b",
        "mongos",
        "add-shards",
        "store-init-sharded",
        "store-shard",
        "chatfold-sharded",
    ]


# --- MongoDB ------------------------------------------------------------------------------------


def test_each_replica_set_is_made_under_its_name_and_address(compose: ComposeFile) -> None:
    sets = replica_sets(compose)

    assert list(sets) == ["mongo", "config", "shard-a", "shard-b"]
    for name, service in sets.items():
        assert service.command is not None
        assert service.healthcheck is not None
        made = INITIATED.search(service.healthcheck.test[-1])
        assert made is not None, name
        set_name = service.command[service.command.index("--replSet") + 1]
        port = service.command[service.command.index("--port") + 1]
        assert made.groups() == (set_name, name, port)


def test_a_replica_set_is_healthy_once_it_takes_writes(compose: ComposeFile) -> None:
    for service in replica_sets(compose).values():
        assert service.healthcheck is not None
        assert service.healthcheck.test[-1].startswith("try { rs.status() }")
        assert service.healthcheck.test[-1].endswith("db.hello().isWritablePrimary || quit(1)")


def test_the_cluster_names_its_replica_sets(compose: ComposeFile) -> None:
    router = compose.services["mongos"].command
    shards = compose.services["add-shards"].command

    assert router is not None
    assert "config/config:27017" in router
    assert shards is not None
    assert re.findall(r'sh\.addShard\("([^"]+)"\)', shards[-1]) == [
        "shard-a/shard-a:27017",
        "shard-b/shard-b:27017",
    ]


# --- Chatfold -----------------------------------------------------------------------------------


def test_variables_are_settings(compose: ComposeFile) -> None:
    known = {f"CHATFOLD_{name.upper()}" for name in Settings.model_fields}

    assert set(IMAGE_SETTINGS) <= known
    for service in compose.services.values():
        assert set(service.environment) <= known


@pytest.mark.parametrize(
    "name", ["store-init", "chatfold", "store-init-sharded", "store-shard", "chatfold-sharded"]
)
def test_the_settings_of_each_step_hold(
    name: str, compose: ComposeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = compose.services[name]
    for variable, value in {**IMAGE_SETTINGS, **service.environment}.items():
        monkeypatch.setenv(variable, value)

    settings = Settings.read()

    assert settings.store == service.environment["CHATFOLD_STORE"]
    assert all(port.endswith(f":{settings.port}") for port in service.ports)


def test_the_image_alone_refuses_to_serve_without_authentication(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in IMAGE_SETTINGS.items():
        monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError, match="CHATFOLD_AUTH=open"):
        Settings.read()


def test_the_image_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)

    assert users == ["chatfold"]
    assert DOCKERFILE.index("USER chatfold") < DOCKERFILE.index("CMD [")


def test_each_store_is_prepared_before_it_is_served(compose: ComposeFile) -> None:
    replica_set = "mongodb://mongo:27017/chatfold?replicaSet=rs0"
    cluster = "mongodb://mongos:27017/chatfold"

    steps = {
        name: (service.command, list(service.depends_on), service.environment["CHATFOLD_STORE"])
        for name, service in compose.services.items()
        if service.build
    }

    assert steps == {
        "store-init": (["chatfold", "store", "init"], ["mongo"], replica_set),
        "chatfold": (None, ["store-init"], replica_set),
        "store-init-sharded": (["chatfold", "store", "init"], ["add-shards"], cluster),
        "store-shard": (["chatfold", "store", "shard"], ["store-init-sharded"], cluster),
        "chatfold-sharded": (None, ["store-shard"], cluster),
    }

"""Over HTTP only what lies in the allowed folders and databases can be named as a source."""

from pathlib import Path

import pytest

from app.errors import SourceNotAllowedError
from migrations.allowed_sources import AllowedSources
from tests.api.admin.serving import MIGRATIONS, RUNS, served
from tests.api.requests import problem


@pytest.fixture
def allowed(tmp_path: Path) -> AllowedSources:
    (tmp_path / "old").mkdir()
    (tmp_path / "older").mkdir()
    (tmp_path / "old" / "messages.jsonl").touch()
    (tmp_path / "secret").touch()
    (tmp_path / "old" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "old" / "ring").symlink_to(tmp_path / "old" / "ring")
    (tmp_path / "old" / "inner").symlink_to(tmp_path / "old" / "messages.jsonl")
    return AllowedSources(
        [
            str(tmp_path / "old"),
            "mongodb://user:password@one,two/chat?replicaSet=rs",
            "mongodb://other/chat.messages",
            "cosmos://whole/my.chat?tls=false",
            "cosmos://other/chat/messages",
        ]
    )


def test_what_lies_in_a_folder_may_be_named(allowed: AllowedSources, tmp_path: Path) -> None:
    inside = str(tmp_path / "old" / "messages.jsonl")

    assert allowed.located(inside) == inside
    assert allowed.located(str(tmp_path / "older" / ".." / "old" / "messages.jsonl")) == inside
    assert allowed.located(str(tmp_path / "old" / "inner")) == inside
    assert allowed.located(str(tmp_path / "old")) == str(tmp_path / "old")


@pytest.mark.parametrize(
    "named",
    [
        *("secret", "old/../secret", "old/link", "older/messages.jsonl", "old/ring/x/../../../x"),
        *("old\0", "old/messages.jsonl\0", ".", "", "old/" + "x" * 5000 + "/../../secret"),
    ],
)
def test_what_lies_elsewhere_may_not(allowed: AllowedSources, tmp_path: Path, named: str) -> None:
    with pytest.raises(SourceNotAllowedError):
        allowed.located(f"{tmp_path}/{named}")


@pytest.mark.parametrize("named", ["-", "old/messages.jsonl", "", "file:///etc/passwd", "/"])
def test_what_is_no_absolute_path_may_not(allowed: AllowedSources, named: str) -> None:
    with pytest.raises(SourceNotAllowedError):
        allowed.located(named)


def test_a_collection_is_reached_with_the_credentials_of_the_setting(
    allowed: AllowedSources,
) -> None:
    assert (
        allowed.located("mongodb://one,two/chat.messages")
        == "mongodb://user:password@one,two/chat.messages?replicaSet=rs"
    )
    assert allowed.located("mongodb://other/chat.messages") == "mongodb://other/chat.messages"


def test_a_container_is_reached_as_the_setting_says(allowed: AllowedSources) -> None:
    assert (
        allowed.located("cosmos://whole/my.chat/messages")
        == "cosmos://whole/my.chat/messages?tls=false"
    )
    assert allowed.located("cosmos://other/chat/messages") == "cosmos://other/chat/messages"


@pytest.mark.parametrize(
    "named",
    [
        *("mongodb://one/chat.messages", "mongodb://one,two/other.messages"),
        *("mongodb://other/chat.users", "mongodb+srv://other/chat.messages"),
        *("mongodb://a:b@other/chat.messages", "mongodb://other/chat.messages?tls=false"),
        *("mongodb://other/chat", "mongodb://one,two/chat.", "mongodb://", "mongodb://[/chat.a"),
        *("cosmos://other/chat/users", "cosmos://other/chat", "cosmos://whole/my/chat.messages"),
        *("cosmos://elsewhere/chat/messages", "cosmos://other/chat/messages?tls=false"),
        *("cosmos://a:b@other/chat/messages", "cosmos://other/chat.messages"),
        *("mongodb://whole/my.chat", "cosmos://other/chat/messages/..", "cosmos://"),
    ],
)
def test_another_collection_may_not_be_named(allowed: AllowedSources, named: str) -> None:
    with pytest.raises(SourceNotAllowedError):
        allowed.located(named)


async def test_the_door_refuses_other_files(tmp_path: Path) -> None:
    async with served(tmp_path) as operator:
        answers = [
            await operator.post(path, json={"job": "group-messages", "source": source})
            for path in (RUNS, f"{MIGRATIONS}/plan", f"{MIGRATIONS}/verify")
            for source in ("/etc/passwd", f"{tmp_path}/sources/../chatfold.db")
        ]

    assert {problem(answer)[:2] for answer in answers} == {(403, "source_not_allowed")}
    assert not any("root:" in answer.text for answer in answers)

"""`chatfold serve` in processes of its own: it starts, answers, and ends as it was told."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import httpx
import pytest

from app.settings import Settings

START_SECONDS = 30


class Service:
    """A running service, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = self._wait_for_url(_pipe(process.stderr))

    def get(self, path: str) -> httpx.Response:
        # The socket listens from the start, so that a request waits until somebody answers.
        return httpx.get(self.url + path, timeout=START_SECONDS)

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        _, rest = self.process.communicate(timeout=START_SECONDS)
        self.lines += rest.splitlines()
        return self.process.returncode

    def _wait_for_url(self, stderr: IO[str]) -> str:
        for line in stderr:
            self.lines.append(line)
            found = re.search(r"on (http://\S+:\d+)", line)
            if found:
                return found[1]
        pytest.fail("the service did not start: " + "".join(self.lines))


Start = Callable[..., Service]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This process's environment without settings, and with a folder for all that is written."""
    ours = {f"CHATFOLD_{name.upper()}" for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return inherited | {
        "CHATFOLD_STORE": f"sqlite:///{tmp_path}/chatfold.db",
        "TMPDIR": str(temporary),
    }


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def start_(*options: str, **variables: str) -> Service:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "app", "--port", "0", *options],
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return Service(process)

    yield start_
    for process in processes:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=START_SECONDS)
        for pipe in (process.stdout, process.stderr):
            _pipe(pipe).close()


def test_the_service_answers_until_it_is_interrupted(start: Start) -> None:
    service = start()

    answer = service.get("/readyz")
    status = service.stop(signal.SIGINT)

    assert answer.json() == {"status": "ok"}
    assert status == 0
    assert all(json.loads(line)["message"] for line in service.lines)


def test_the_service_ends_in_order_when_it_is_told_to(start: Start) -> None:
    service = start()
    service.get("/healthz")

    status = service.stop(signal.SIGTERM)

    assert status == -signal.SIGTERM
    assert "Application shutdown complete." in service.lines[-2]


def test_the_first_line_names_the_store_and_the_address(start: Start, tmp_path: Path) -> None:
    service = start("--host", "localhost")

    said = json.loads(service.lines[0])

    assert said["message"] == (
        f"Chatfold serves sqlite:///{tmp_path}/chatfold.db on {service.url}."
    )
    assert service.url.startswith("http://localhost:")


def test_options_go_before_the_environment(start: Start, tmp_path: Path) -> None:
    service = start(
        "--store",
        f"sqlite:///{tmp_path}/other.db",
        "--log-level",
        "info",
        CHATFOLD_LOG_LEVEL="loud",
    )

    assert service.get("/readyz").status_code == 200
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "chatfold.db").exists()


def test_workers_share_the_store_and_their_figures_and_leave_nothing_behind(
    start: Start, tmp_path: Path
) -> None:
    service = start("--workers", "2")
    with httpx.Client(base_url=service.url, timeout=START_SECONDS) as writing:
        created = writing.post("/api/chat/sessions?user_id=ada", json={"id": "s"})
    for _ in range(20):
        service.get("/api/chat/sessions/s?user_id=ada")  # on a connection of its own each

    figures = service.get("/metrics").text
    folders = list((tmp_path / "temporary").glob("chatfold-metrics-*"))
    status = service.stop(signal.SIGTERM)

    assert created.status_code == 201
    reads = 'chatfold_requests_total{method="GET",route="/api/chat/sessions/{session_id}",'
    assert reads + 'status="2xx"} 20.0' in figures
    assert len(folders) == 1
    assert status == 0
    assert not folders[0].exists()


def test_a_port_in_use_is_one_sentence(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = run_serve(environment, "--port", str(port))

    assert ended.returncode == 3
    assert ended.stderr == (
        f"chatfold: Cannot listen on 127.0.0.1 port {port}: Address already in use.\n"
    )


def test_a_store_that_cannot_be_opened_is_one_sentence(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "chatfold.db").write_bytes(b"these are not the bytes of a database" * 100)

    ended = run_serve(environment, "--port", "0")

    assert ended.returncode == 3
    assert ended.stderr.startswith("chatfold: ")
    assert ended.stderr.count("\n") == 1


def test_workers_that_cannot_start_are_a_failure(environment: dict[str, str]) -> None:
    program = """
import app.cli.serve
from types import SimpleNamespace

class GivesUp:
    def __init__(self, configuration, sockets):
        self.processes = [SimpleNamespace(exitcode=3), SimpleNamespace(exitcode=-15)]

    def run(self):
        pass

app.cli.serve.Multiprocess = GivesUp
from app.cli.main import run
run(["serve", "--port", "0", "--workers", "2"])
"""

    ended = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )

    assert ended.returncode == 3
    assert ended.stderr.endswith("chatfold: A worker could not start; the log says why.\n")


def test_an_unknown_variable_is_a_line_in_the_log(start: Start) -> None:
    service = start(CHATFOLD_STORES="memory://")

    warned = json.loads(service.lines[0])

    assert warned["level"] == "warning"
    assert warned["message"] == "CHATFOLD_STORES is not a setting of Chatfold and does nothing."


def test_a_wrong_setting_is_one_sentence(environment: dict[str, str]) -> None:
    ended = run_serve(environment | {"CHATFOLD_PORT": "eighty"})

    assert ended.returncode == 2
    assert ended.stderr == (
        "chatfold: CHATFOLD_PORT: input should be a valid integer, "
        "unable to parse string as an integer.\n"
    )


def test_open_mode_does_not_start_beyond_loopback(environment: dict[str, str]) -> None:
    ended = run_serve(environment, "--host", "0.0.0.0")  # noqa: S104 - that is what is tested

    assert ended.returncode == 2
    assert "CHATFOLD_ALLOW_OPEN=1" in ended.stderr


def run_serve(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "app", *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe

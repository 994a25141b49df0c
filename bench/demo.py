"""`make demo`: old messages made, folded with a progress bar, verified, and served.

Everything lies in a temporary folder, which is gone when Ctrl-C has ended the service.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from bench.old_messages import write_old_messages

HOST = "127.0.0.1"
USUAL_PORT = 8000
START_SECONDS = 30
FINDINGS = 1
FAILURE = 3


def main() -> int:
    """Run the demonstration; the exit status is 0 after Ctrl-C, and 3 where a step failed."""
    with TemporaryDirectory(prefix="chatfold-demo-") as folder:
        source = Path(folder) / "old-messages.jsonl"
        store = "sqlite:///" + quote(f"{folder}/chatfold.db")
        print(f"Made {write_old_messages(source):,} old message documents: {source}", flush=True)
        if not _fold(source, store):
            return FAILURE
        return _serve(store)


def _fold(source: Path, store: str) -> bool:
    for step, accepted in (("run", {0, FINDINGS}), ("verify", {0})):
        print(f"\n$ chatfold migrate group-messages {step} {source} --store {store}", flush=True)
        status = _chatfold("migrate", "group-messages", step, str(source), "--store", store).wait()
        if status not in accepted:
            return False
    return True


def _serve(store: str) -> int:
    port = _free_port()
    address = f"http://{HOST}:{port}"
    print(f"\n$ chatfold serve --port {port} --store {store}", flush=True)
    service = _chatfold(
        "serve", "--host", HOST, "--port", str(port), "--store", store, "--log-level", "warning"
    )
    try:
        if not _is_ready(service, port):
            return FAILURE
        print(
            f"\nServed on {address}; Ctrl-C ends it. Try:\n"
            f"  curl '{address}/api/chat/sessions?user_id=gardener-007&limit=3'\n"
            f"  curl '{address}/api/chat/sessions/garden-00007?user_id=gardener-007'\n"
            f"  curl '{address}/api/chat/search?user_id=gardener-007&q=tomatoes'\n",
            flush=True,
        )
        return FAILURE if service.wait() else 0
    except KeyboardInterrupt:
        return 0
    finally:
        _end(service)


def _chatfold(*arguments: str) -> subprocess.Popen[bytes]:
    # Settings of whoever runs the demonstration are not meant for it.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("CHATFOLD_")
    }
    command = [sys.executable, "-c", "from app.cli.main import run; run()", *arguments]
    return subprocess.Popen(command, env=environment)  # noqa: S603 - our own command


def _free_port() -> int:
    for port in (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("There is no free port.")


def _is_ready(service: subprocess.Popen[bytes], port: int) -> bool:
    deadline_seconds = time.monotonic() + START_SECONDS
    while service.poll() is None and time.monotonic() < deadline_seconds:
        connection = HTTPConnection(HOST, port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == HTTPStatus.OK:
                return True
        except OSError:
            pass  # it does not listen yet
        finally:
            connection.close()
        time.sleep(0.05)
    return False


def _end(service: subprocess.Popen[bytes]) -> None:
    """Let the service shut down, which Ctrl-C has told it already where there is a terminal."""
    if service.poll() is None:
        service.terminate()
    try:
        service.wait(START_SECONDS)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        service.kill()
        service.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as after Ctrl-C
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(FAILURE)

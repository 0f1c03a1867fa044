"""Runs the application under Uvicorn: the socket, the signals, and the line that shows the address."""

from __future__ import annotations

import contextlib
import errno
import gc
import socket
import sys
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from parley.model.artifact import DEFAULT, Artifact
from parley.model.errors import ModelError
from parley.service import logs
from parley.service.batcher import State
from parley.service.errors import StartError
from parley.service.memory import return_large_buffers
from parley.service.metrics import Metrics
from parley.service.settings.schema import Settings
from parley.service.web.access import check_exposure, warn_of_exposure
from parley.service.web.app import create_app
from parley.service.web.connections import BoundedProtocol, allow_connections

DRAIN_S = 30
SWITCH_S = 0.0005
"""Python's thread switch interval in seconds: event loop and model threads wait for each other every few
milliseconds, and the default 5 ms would add up."""


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish requests in progress.

    Raises StartError, StoreError, PolicyError.
    """
    try:
        Artifact.open(settings.model or DEFAULT)
    except ModelError as error:
        raise StartError(f"no model to serve: {error}") from error
    logs.configure(settings.log_level)
    sys.setswitchinterval(SWITCH_S)
    return_large_buffers()

    def on_state(state: State) -> None:
        if state == "ready":
            gc.freeze()  # start-up objects stay anyway, and collecting them would delay requests
            name = app.state.service.model_name
            print(f"Parley serves {name['name']} {name['version']} at {address}", flush=True)
            print(f"Try it at {address}/docs; stop it with Ctrl+C.", flush=True)
        elif state == "failed" and app.state.service.batcher.model is None:
            server.should_exit = True

    allow_connections()
    app = create_app(settings, on_state=on_state)
    listener = _listen(settings.host, settings.port)
    address = _address(listener)
    server = uvicorn.Server(uvicorn_config(app))
    # Uvicorn raises the signal again after draining.
    with listener, contextlib.suppress(KeyboardInterrupt):
        check_exposure(settings, app.state.service.store)
        warn_of_exposure(settings, app.state.service.store)
        with _metrics_port(settings, app.state.service.metrics):
            server.run(sockets=[listener])
    failure = app.state.service.batcher.load_error
    if failure is not None:
        raise StartError(f"the model can't be loaded: {failure}") from failure


def uvicorn_config(app: FastAPI) -> uvicorn.Config:
    """How Uvicorn serves `app`."""
    return uvicorn.Config(
        app,
        # h11, because httptools has no limit on header size, and loses the body if a client offers HTTP/2.
        http=BoundedProtocol,
        loop="asyncio",  # even if uvloop is installed: BoundedProtocol sets how much its transports read
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # service.proxy reads them, by server.trusted_proxies
        timeout_graceful_shutdown=DRAIN_S,
        lifespan="on",
    )


@contextlib.contextmanager
def _metrics_port(settings: Settings, metrics: Metrics) -> Iterator[None]:
    """Serve /metrics on its own port, if the settings name one. Raises StartError."""
    host, port = settings.metrics.host, settings.metrics.port
    if port is None:
        yield
        return
    try:
        address, close = metrics.serve(host, port)
    except OSError as error:
        raise StartError(
            f"metrics: {host}:{port} {_why_not(error, 'metrics.port', 'metrics.host')}"
        ) from error
    print(f"Metrics for Prometheus at {address}", flush=True)
    try:
        yield
    finally:
        close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"{host} is not an address of this machine: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise StartError(f"{host}:{port} {_why_not(error, '--port', '--host')}") from error
    return listener


def _why_not(error: OSError, port: str, host: str) -> str:
    """Why listening failed; `port` and `host` are the options to change."""
    reasons = {
        errno.EADDRINUSE: f"is taken by another program: stop it, or choose another with {port}",
        errno.EACCES: f"needs privileges that you don't have: choose a port from 1024 up with {port}",
        errno.EADDRNOTAVAIL: f"is not an address of this machine: choose another with {host}",
    }
    return reasons.get(error.errno or 0, f"can't be listened on: {error.strerror}")


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

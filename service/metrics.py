"""The metrics for Prometheus: requests, comments, the queue, batches, the model and this process."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
    start_http_server,
)

SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """One registry per app, so that two apps in one process stay separate."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "parley_requests", "Requests answered", ["route", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "parley_request_seconds",
            "Time from a request's first byte read to its answer",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.comments = Counter("parley_comments", "Comments in requests", registry=self.registry)
        self.decisions = Counter(
            "parley_decisions",
            "Decisions of the site's policy in Coral's phase",
            ["policy", "action"],
            registry=self.registry,
        )
        self.batch_comments = Histogram(
            "parley_batch_comments",
            "Comments per model call",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "parley_batch_seconds", "Duration of a model call", buckets=SECONDS, registry=self.registry
        )
        self.waiting = Gauge(
            "parley_queue_comments", "Comments waiting for the model", registry=self.registry
        )
        self.up = Gauge("parley_model_up", "1 while the model is running", registry=self.registry)
        self.model = Info("parley_model", "The artifact being served", registry=self.registry)

    def watch(self, *, waiting: Callable[[], int], up: Callable[[], bool]) -> None:
        """Read the queue and the model's state at each scrape."""
        self.waiting.set_function(waiting)
        self.up.set_function(up)

    def on_batch(self, comments: int, seconds: float) -> None:
        """Count a batch and its duration."""
        self.batch_comments.observe(comments)
        self.batch_seconds.observe(seconds)

    def on_request(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is its template, not its path."""
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def serve(self, host: str, port: int) -> tuple[str, Callable[[], None]]:
        """Serve /metrics at `host`:`port` (0 takes a free one) from a thread; returns its URL and a stop
        function.

        Raises OSError if it can't listen there.
        """
        server, thread = start_http_server(port, host, registry=self.registry)

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        named = f"[{host}]" if ":" in host else host
        return f"http://{named}:{server.server_port}/metrics", close

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)

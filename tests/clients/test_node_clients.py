"""Node: Google's discovery client, and npm's perspective-api-client at its fixed address."""

from __future__ import annotations

from tests.clients.conftest import Server, TlsServer, run_node


def test_googleapis_common(server: Server) -> None:
    found = run_node("discovery.js", f"{server.url}/$discovery/rest?version=v1alpha1", server.key)
    toxicity = found["analyzed"]["attributeScores"]["TOXICITY"]
    assert 0 <= toxicity["summaryScore"]["value"] <= 1
    assert [(span["begin"], span["end"]) for span in toxicity["spanScores"]] == [(0, 17), (18, 28)]
    assert "OFF_TOPIC" in found["analyzed"]["attributeScores"]
    assert (found["analyzed"]["clientToken"], found["suggested"]["clientToken"]) == ("node-1", "node-2")
    assert found["error"] == {"status": 400, "message": "Unknown requested attribute: NOPE"}


def test_perspective_api_client(tls_server: TlsServer) -> None:
    found = run_node(
        "--require",
        "./redirect.js",
        "perspective.js",
        tls_server.key,
        NODE_EXTRA_CA_CERTS=str(tls_server.ca),
        PARLEY_TLS_PORT=str(tls_server.port),
    )
    assert set(found["answer"]["attributeScores"]) == {"TOXICITY", "INSULT"}
    assert found["error"] == {
        "name": "ResponseError",
        "message": "Unknown requested attribute: NOPE",
        "status": 400,
    }

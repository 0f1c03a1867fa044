"""The WordPress plugin's request and answer, run by PHP against a real server."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from tests.deploy.conftest import DEPLOY, Start, free_port, program, run

CASES = Path(__file__).parent / "wordpress.php"
PLUGIN = DEPLOY / "wordpress" / "parley.php"
BECOMES = {"approve": 1, "review": 0, "reject": "trash"}


def test_the_plugin_does_what_the_policy_says(serve: Start) -> None:
    php = program("php", "php-cli")
    site = serve()
    key = site.key()
    done = run(php, CASES, PLUGIN, site.url, key)
    assert done.returncode == 0, done.stdout
    *cases, last = map(json.loads, done.stdout.splitlines())
    clean, capitals, *others = cases
    request = last["request"]
    assert request["policy"] == "strict"
    assert request["comments"][0] == {
        "text": "Thank you.",
        "format": "html",
        "article": {
            "id": "7",
            "url": "https://news.example/bridge",
            "title": "Council closes the bridge",
            "text": "On Monday.",
        },
        "parent": {"id": "3", "text": "Nobody asked."},
    }
    for case, text in ((clean, "Thank you."), (capitals, None)):
        if text is None:
            text = "THIS IS A DISGRACE AND EVERYONE IN THIS TOWN KNOWS IT VERY WELL"
        body = json.dumps({**request, "comments": [{**request["comments"][0], "text": text}]}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        asked = urllib.request.Request(f"{site.url}/v1/classify", body, headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            decision = json.load(answer)["results"][0]["decision"]
        assert case["becomes"] == BECOMES[decision["action"]]
        assert case["meta"]["parley_action"] == decision["action"]
    assert capitals["becomes"] != 1, "the strict policy lets no capitals through"
    # Held, spam, a moderator's, bytes that are no UTF-8, blank: Parley has no say.
    assert [case["becomes"] for case in others] == [0, "spam", 1, 1, 1]
    assert not any(case["meta"] for case in others)


def test_without_a_server_comments_go_on() -> None:
    done = run(program("php", "php-cli"), CASES, PLUGIN, f"http://127.0.0.1:{free_port()}", "key")
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert [case["becomes"] for case in cases[:-1]] == [1, 1, 0, "spam", 1, 1, 1]

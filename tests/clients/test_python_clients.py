"""PyPI's `perspective`, pointed here by its `url`, and the OpenAI SDK, by its base URL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from perspective import PerspectiveAPI

from tests.clients.conftest import Server


def test_perspective(server: Server) -> None:
    client = PerspectiveAPI(server.key)
    client.api_client.url = f"{server.url}/v1alpha1/{{endpoint}}"
    answer = client.analyze_comment("What a good plan.", requested_attributes={"TOXICITY": {}, "INSULT": {}})
    assert set(answer["attributeScores"]) == {"TOXICITY", "INSULT"}
    assert 0 <= answer["attributeScores"]["TOXICITY"]["summaryScore"]["value"] <= 1


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as made:
        yield made


def test_openai_strings(client: openai.OpenAI) -> None:
    answer = client.moderations.create(
        input=["What a good plan.", "Not so good."], model="omni-moderation-latest"
    )
    assert len(answer.results) == 2
    for result in answer.results:
        assert 0 <= result.category_scores.harassment <= 1
        assert result.categories.self_harm is False
        assert result.category_applied_input_types is not None
        assert result.category_applied_input_types.hate == ["text"]
        assert result.category_applied_input_types.illicit == []
    assert client.moderations.create(input="What a good plan.").results == answer.results[:1]


def test_openai_parts(client: openai.OpenAI) -> None:
    parts: Any = [
        {"type": "text", "text": "What a good plan."},
        {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}},
    ]
    answer = client.moderations.create(input=parts)
    assert answer.results == client.moderations.create(input="What a good plan.").results


def test_openai_errors(client: openai.OpenAI, server: Server) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.moderations.create(input=[])
    assert isinstance(error.value.body, dict)
    assert error.value.body["param"] == "input"
    with (
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0) as other,
        pytest.raises(openai.AuthenticationError),
    ):
        other.moderations.create(input="a")

"""A conversation that is longer than the model's context is cut where its caller lets us."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chat_templates import FAMILIES
from tests.unit.llama_fake import Said, serving
from tests.unit.test_chat_templates import trained
from tuneloop.engines.local.messages import without_oldest

CHAT = trained(FAMILIES["Phi-3"])


def _messages(*roles: str) -> list[dict[str, Any]]:
    return [{"role": role, "content": f"{role} {number}"} for number, role in enumerate(roles)]


@pytest.mark.parametrize(
    ("roles", "left"),
    [
        (["user", "assistant", "user"], [2]),
        (["system", "user", "assistant", "user", "assistant", "user"], [0, 3, 4, 5]),
        (["developer", "system", "user", "user"], [0, 1, 3]),
        (["user", "assistant", "tool", "assistant", "user"], [4]),
        (["user"], []),
        (["system", "user"], []),
        (["system"], []),
        (["user", "assistant", "tool"], []),
    ],
)
def test_the_oldest_goes_with_what_it_led_to(roles: list[str], left: list[int]) -> None:
    messages = _messages(*roles)
    assert without_oldest(messages) == [messages[number] for number in left]


@pytest.mark.parametrize("most", [10, 10_000, None])
async def test_as_much_is_cut_as_leaves_room(most: int | None) -> None:
    messages = _messages("system", *["user", "assistant"] * 20, "user")
    body = {"model": "m", "messages": messages, "max_tokens": most}
    context = 400
    async with serving(CHAT, context=context) as served:
        served.llama.answers = [[Said("Hi")]]
        async with served.client.post("/v1/chat/completions", json=body) as response:
            assert (await response.json())["error"]["code"] == "context_length_exceeded"
        async with served.client.post("/v1/chat/completions", json={**body, "truncation": "auto"}) as response:
            assert response.status == 200, await response.text()
        (prompt,) = served.llama.asked[0]["prompt"]
        assert len(prompt) <= context - min(most or 256, 100) < len(CHAT.prompt_ids(messages))
        kept = CHAT.decode(prompt)
        assert "system 0" in kept and "user 41" in kept and "user 1<" not in kept
        one = {**body, "messages": [{"role": "user", "content": "long " * 400}], "truncation": "auto"}
        async with served.client.post("/v1/chat/completions", json=one) as response:
            assert (await response.json())["error"]["code"] == "context_length_exceeded"

"""Answers are those that transformers writes, one prompt at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_decoder import FAMILIES, WORDS, adapted, tiny
from tuneloop.training.decoder import Decoder
from tuneloop.training.tree import Ints
from tuneloop.training.writing import write_answers

torch.set_num_threads(1)

STOP = {0, 1, 2, 3}
# Prompts that share beginnings, that are beginnings of each other, that are there twice, of one token, without any.
PROMPTS = st.lists(
    st.tuples(st.sampled_from([0, 5, 30]), st.lists(st.integers(0, 2), min_size=1, max_size=8)), max_size=6
)


def expected(peft: Any, prompt: Ints, max_tokens: int, stop: set[int] = STOP) -> list[int]:
    """transformers' greedy answer."""
    written: list[int] = peft.generate(
        input_ids=torch.from_numpy(prompt)[None],
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        max_new_tokens=max_tokens,
        eos_token_id=sorted(stop) or None,
        pad_token_id=0,
    )[0, len(prompt) :].tolist()
    return written[:-1] if written and written[-1] in stop else written


def talkative(family: str) -> tuple[Decoder, Any]:
    """Our decoder and peft's model that do not write the same token all the time."""
    model = tiny(family)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("_proj.weight"):
                parameter *= 2
            elif name.endswith("_proj.bias"):
                parameter *= 0.2
    decoder, peft = adapted(model)
    return decoder, peft.eval()


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest) -> tuple[Decoder, Any]:
    return talkative(request.param)


@settings(max_examples=5, deadline=None)
@given(PROMPTS, st.sampled_from([10, 4096]))
def test_answers_are_those_of_transformers(pair: tuple[Decoder, Any], drawn: list[Any], budget: int) -> None:
    decoder, peft = pair
    prompts = [np.array([*range(3, 3 + prefix), *context]) for prefix, context in drawn]
    answers = write_answers(decoder, prompts, budget=budget, max_tokens=12, stop=STOP)
    assert answers == [expected(peft, prompt, 12) for prompt in prompts]


def test_long_answers_outgrow_every_window(pair: tuple[Decoder, Any]) -> None:
    decoder, peft = pair
    talk = np.random.default_rng(1).integers(0, WORDS, (3, 20))
    prompts = [*talk, np.concatenate([talk[0], talk[1]]), np.array([7])]
    answers = write_answers(decoder, prompts, budget=4096, max_tokens=50, stop=())
    assert [len(answer) for answer in answers] == [50] * 5
    assert answers == [expected(peft, prompt, 50, set()) for prompt in prompts]
    assert len({token for answer in answers for token in answer}) > 5


def test_many_answers_of_several_blocks_and_batches() -> None:
    decoder, peft = talkative("llama")
    prompts = [np.array([*range(3, 30), *row]) for row in np.random.default_rng(2).integers(0, WORDS, (40, 6))]
    whole = [expected(peft, prompt, 12) for prompt in prompts]
    assert len({len(answer) for answer in whole}) > 5, "answers should end at different times"
    for budget in (4096, 100, 1):
        assert write_answers(decoder, prompts, budget=budget, max_tokens=12, stop=STOP) == whole


def test_no_token_is_written_where_none_may_be() -> None:
    decoder = Decoder(tiny("llama"))
    assert write_answers(decoder, [np.array([4, 5])] * 2, budget=10, max_tokens=0, stop=()) == [[], []]
    assert write_answers(decoder, [], budget=10, max_tokens=5, stop=()) == []

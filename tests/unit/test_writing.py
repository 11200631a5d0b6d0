"""Answers are those that transformers writes, one prompt at a time, and those that its probabilities make."""

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
from tuneloop.training.writing import draw_answers, write_answers

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


def log_probabilities(peft: Any, prompt: Ints, answer: Ints, temperature: float) -> torch.Tensor:
    """transformers', of every word after the prompt and each token of the answer: (tokens, words)."""
    with torch.no_grad():
        logits = peft(input_ids=torch.from_numpy(np.concatenate([prompt, answer]))[None]).logits[0]
    return torch.log_softmax(logits[len(prompt) - 1 : -1].double() / temperature, dim=-1)


@settings(max_examples=5, deadline=None)
@given(PROMPTS.filter(bool), st.sampled_from([1.0, 0.7]), st.integers(0, 100))
def test_each_chance_draws_the_token_in_whose_stretch_it_falls(
    pair: tuple[Decoder, Any], drawn: list[Any], temperature: float, seed: int
) -> None:
    decoder, peft = pair
    prompts = [np.array([*range(3, 3 + prefix), *context]) for prefix, context in drawn]
    chances = np.random.default_rng(seed).random((len(prompts), 3, 12))
    answers = draw_answers(decoder, prompts, chances, budget=4096, stop=STOP, temperature=temperature)
    for prompt, group, its_chances in zip(prompts, answers, chances, strict=True):
        for answer, chance in zip(group, its_chances, strict=True):
            likely = log_probabilities(peft, prompt, answer.tokens, temperature)
            places = torch.arange(len(answer.tokens)), torch.from_numpy(answer.tokens)
            assert np.allclose(answer.log_probabilities, likely[places], atol=1e-4)
            reached = likely.exp().cumsum(dim=-1)[places].numpy()
            assert (chance[: len(reached)] < reached + 1e-5).all()
            assert (chance[: len(reached)] > reached - likely.exp()[places].numpy() - 1e-5).all()
            assert answer.ended == (answer.tokens[-1] in STOP) and not set(answer.tokens[:-1].tolist()) & STOP
            assert answer.ended or len(answer.tokens) == 12


def test_the_same_chances_draw_the_same_answers_however_many_are_drawn_at_once() -> None:
    decoder, _ = talkative("llama")
    prompts = [np.array([*range(3, 30), *row]) for row in np.random.default_rng(2).integers(0, WORDS, (20, 6))]
    chances = np.random.default_rng(1).random((20, 4, 12))
    whole = draw_answers(decoder, prompts, chances, budget=4096, stop=STOP)
    assert len({tuple(answer.tokens) for group in whole for answer in group}) > 70
    for budget in (100, 1):
        again = draw_answers(decoder, prompts, chances, budget=budget, stop=STOP)
        for one, other in zip(sum(whole, []), sum(again, []), strict=True):
            assert one.tokens.tolist() == other.tokens.tolist() and one.ended == other.ended
            assert np.allclose(one.log_probabilities, other.log_probabilities, atol=1e-5)
    alone = draw_answers(decoder, prompts[7:8], chances[7:8], budget=4096, stop=STOP)
    assert [answer.tokens.tolist() for answer in alone[0]] == [answer.tokens.tolist() for answer in whole[7]]


def test_words_are_drawn_as_often_as_they_are_likely() -> None:
    decoder, peft = talkative("llama")
    prompt, count = np.array([5, 6, 7]), 4000
    chances = np.random.default_rng(3).random((1, count, 1))
    (answers,) = draw_answers(decoder, [prompt], chances, budget=4096, stop=())
    expected_share = log_probabilities(peft, prompt, prompt[:1], 1.0)[0].exp().numpy()
    share = np.bincount([answer.tokens[0] for answer in answers], minlength=len(expected_share)) / count
    deviation = np.sqrt(expected_share * (1 - expected_share) / count)
    assert (np.abs(share - expected_share) < 5 * deviation + 1e-3).all()


def test_a_chance_of_almost_one_draws_a_word_all_the_same() -> None:
    decoder, _ = talkative("llama")
    (group,) = draw_answers(decoder, [np.array([4, 5])], np.full((1, 1, 4), np.nextafter(1, 0)), budget=10, stop=())
    assert (
        0 <= group[0].tokens.min() and group[0].tokens.max() < WORDS and np.isfinite(group[0].log_probabilities).all()
    )

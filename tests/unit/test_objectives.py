"""DPO, KTO and GRPO on a prefix tree, beside the papers' formulas on separate rows with full logits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.unit.tiny_learner import TOKENS, assert_same_gradients, learner, separate_losses, shift, token_row
from tuneloop.protocols import TrainingSpec
from tuneloop.training.epochs import Interrupted
from tuneloop.training.learner import Learner
from tuneloop.training.objectives import Dpo, Grpo, Kto, Pair, Sample, Supervised, balance, choose_objective
from tuneloop.training.references import with_reference
from tuneloop.training.tree import TokenRow, micro_batches

BUDGETS = st.sampled_from([1, 30, 4096])
PAIRS = st.lists(
    st.builds(
        lambda prefix, prompt, answers, good: Pair(
            rows=(token_row([*range(prefix), *prompt], answers[0]), token_row([*range(prefix), *prompt], answers[1])),
            good=good,
        ),
        st.sampled_from([0, 5, 40]),
        TOKENS,
        st.tuples(TOKENS, TOKENS),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


def no_pause() -> None:
    """Nothing asks for a stop."""


def log_probability(subject: Learner, row: TokenRow) -> Tensor:
    return -(separate_losses(subject, row) * torch.from_numpy(row.weights[1:])).sum()


def gains(subject: Learner, before: Learner, pairs: list[Pair]) -> Tensor:
    """log pi(y | x) / pi_ref(y | x) for both answers of each pair, (pairs, 2)."""
    rows = [row for pair in pairs for row in pair.rows]
    each = [log_probability(subject, row) - log_probability(before, row).detach() for row in rows]
    return torch.stack(each).view(-1, 2)


def referred(before: Learner, pairs: list[Pair]) -> list[Pair]:
    """The pairs with their log-probabilities in `before`, row by row."""
    return [
        replace(
            pair, reference=(log_probability(before, pair.rows[0]).item(), log_probability(before, pair.rows[1]).item())
        )
        for pair in pairs
    ]


@settings(max_examples=20, deadline=None)
@given(PAIRS, BUDGETS, st.sampled_from([0.1, 0.5]))
def test_dpo_is_that_of_the_separate_rows(pairs: list[Pair], budget: int, beta: float) -> None:
    subject, before = learner(budget, Dpo(beta=beta)), learner()
    pairs = referred(before, pairs)
    shift(subject, seed=5)
    gain = gains(subject, before, pairs)
    margin = beta * (gain[:, 0] - gain[:, 1])
    loss = -torch.log(torch.sigmoid(margin)).mean()

    metrics = subject.accumulate(pairs)

    assert metrics.loss == pytest.approx(loss.item(), rel=1e-4)
    assert metrics.others["reward_margin"] == pytest.approx(margin.mean().item(), rel=1e-4, abs=1e-5)
    assert_same_gradients(subject, loss, beta * gain.flatten())


GROUPS = st.lists(
    st.tuples(
        st.sampled_from([0, 5, 40]),
        TOKENS,
        st.lists(st.tuples(TOKENS, st.sampled_from([-1.5, 0.0, 0.3, 2.0])), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=3,
)


def token_losses(subject: Learner, row: TokenRow, temperature: float) -> Tensor:
    """Of the tokens of an answer, from transformers' model with the row alone."""
    return separate_losses(subject, row, temperature)[torch.from_numpy(row.weights[1:] != 0)]


def samples_of(groups: list[Any], drawing: Learner, before: Learner, temperature: float) -> list[Sample]:
    """Answers as if `drawing` had drawn them."""
    found = []
    for prefix, prompt, answers in groups:
        for answer, advantage in answers:
            row = token_row([*range(prefix), *prompt], answer)
            drawn, reference = (-token_losses(model, row, temperature).detach().numpy() for model in (drawing, before))
            found.append(Sample(row=row, advantage=advantage, drawn=drawn, reference=reference))
    return found


@settings(max_examples=20, deadline=None)
@given(GROUPS, BUDGETS, st.sampled_from([0.0, 0.3]), st.sampled_from([1.0, 0.7]), st.sampled_from([0.1, 0.5]))
def test_grpo_is_that_of_the_separate_rows(
    groups: list[Any], budget: int, beta: float, temperature: float, clip: float
) -> None:
    subject, drawing, before = learner(budget, None), learner(), learner()
    subject.objective = objective = Grpo(beta=beta, temperature=temperature, lowest=clip, highest=1.4 * clip)
    shift(drawing, seed=6)
    samples = samples_of(groups, drawing, before, temperature)
    shift(subject, seed=5)

    terms, clipped, kls = [], [], []
    for sample in samples:
        now = -token_losses(subject, sample.row, temperature)
        ratio = (now - torch.from_numpy(sample.drawn)).exp()
        bounded = ratio.clamp(1 - objective.lowest, 1 + objective.highest)
        behind = torch.from_numpy(sample.reference) - now
        kls.append(behind.exp() - behind - 1)
        terms.append(beta * kls[-1] - torch.minimum(ratio * sample.advantage, bounded * sample.advantage))
        clipped.append(ratio * sample.advantage > bounded * sample.advantage)
    each = torch.cat(terms)
    loss = each.mean()

    metrics = subject.accumulate(samples)

    assert metrics.loss == pytest.approx(loss.item(), rel=1e-4, abs=1e-6)
    assert metrics.others["kl"] == pytest.approx(torch.cat(kls).mean().item(), rel=1e-4, abs=1e-6)
    assert metrics.others["clipped"] == pytest.approx(torch.cat(clipped).float().mean().item())
    assert_same_gradients(subject, loss, each / len(each))


def test_an_answer_that_was_just_drawn_is_made_likelier_by_its_advantage() -> None:
    """Where nothing has changed since, the gradient is that of the policy: minus advantage * log-probability."""
    subject = learner(objective=Grpo(beta=0.0))
    samples = samples_of([(5, [1, 2], [([3, 1], 2.0), ([2, 2, 0], -1.0)])], subject, subject, 1.0)
    policy = -sum(sample.advantage * log_probability(subject, sample.row) for sample in samples) / 5
    subject.accumulate(samples)
    assert isinstance(policy, Tensor)
    assert_same_gradients(subject, policy)


@settings(max_examples=20, deadline=None)
@given(PAIRS, BUDGETS, st.sampled_from([0.1, 0.5]))
def test_kto_is_that_of_the_separate_rows(pairs: list[Pair], budget: int, beta: float) -> None:
    subject, before = learner(budget, Kto(beta=beta, desirable=1.0, undesirable=1.5)), learner()
    pairs = referred(before, pairs)
    shift(subject, seed=5)
    gain = gains(subject, before, pairs)
    drift = gain[:, 1].detach().mean().clamp(min=0)
    values = [
        1.0 * torch.sigmoid(beta * (one - drift)) if pair.good else 1.5 * torch.sigmoid(beta * (drift - one))
        for pair, one in zip(pairs, gain[:, 0], strict=True)
    ]
    weights = torch.tensor([1.0 if pair.good else 1.5 for pair in pairs])
    loss = (weights - torch.stack(values)).mean()

    metrics = subject.accumulate(pairs)

    assert metrics.loss == pytest.approx(loss.item(), rel=1e-4)
    assert metrics.others["kl"] == pytest.approx(drift.item(), rel=1e-4, abs=1e-5)
    assert_same_gradients(subject, loss, beta * gain.flatten())


def some_pairs(count: int = 6) -> list[Pair]:
    """Pairs with a prompt of their own below a common beginning; the second answer is the next one's first."""
    rows = [token_row([*range(20), index], [index, 2, index + 1]) for index in range(count + 1)]
    return [
        Pair(rows=(rows[index], token_row([*range(20), index], [index + 1, 2])), good=index % 3 > 0)
        for index in range(count)
    ]


def test_prompts_are_computed_once_for_both_answers() -> None:
    ((tree, members),) = micro_batches(some_pairs(), 4096)
    assert sorted(members) == list(range(6))
    # The common beginning, six last tokens of prompts, answers of three and of two tokens.
    assert len(tree.tokens) == 20 + 6 + 6 * 3 + 6 * 2


@pytest.mark.parametrize("objective", [Dpo(), Kto(undesirable=1.2)])
def test_evaluation_is_that_of_a_step_without_its_gradient(objective: Dpo | Kto) -> None:
    subject = learner(30, objective)
    pairs = referred(learner(), some_pairs())
    shift(subject, seed=5)
    evaluated = subject.evaluate(pairs)
    assert not subject.gradient.any()
    assert subject.accumulate(pairs) == evaluated


@pytest.mark.parametrize(("objective", "start"), [(Dpo(), 0.6931), (Kto(), 0.5)])
def test_a_model_at_its_reference_begins_at_the_known_loss_and_learns(objective: Dpo | Kto, start: float) -> None:
    subject = learner(4096, objective)
    pairs = referred(subject, some_pairs())
    first = subject.step(pairs, 0.01)
    assert first.loss == pytest.approx(start, abs=1e-4)
    for _ in range(10):
        last = subject.step(pairs, 0.01)
    assert last.loss < 0.8 * start
    assert last.others["reward_accuracy"] == 1.0
    assert last.others["reward_margin"] > 0.1


def test_the_reference_is_computed_once_and_kept(tmp_path: Path) -> None:
    subject, path = learner(40, Dpo()), tmp_path / "reference.json"
    expected = [pair.reference for pair in referred(subject, some_pairs())]
    found = [pair.reference for pair in with_reference(path, subject, some_pairs(), no_pause)]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    shift(subject, seed=5)
    assert [pair.reference for pair in with_reference(path, subject, some_pairs(), no_pause)] == found
    # Other rows have another reference.
    others = with_reference(path, subject, some_pairs(7)[1:], no_pause)
    assert others[0].reference != found[1]
    assert [one.name for one in tmp_path.iterdir()] == ["reference.json"]


def test_the_reference_is_not_kept_by_halves(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        with_reference(tmp_path / "reference.json", learner(30, Dpo()), some_pairs(), interrupt)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("good", "bad", "weights"),
    [
        (10, 10, (1.0, 1.0)),
        (12, 10, (1.0, 1.0)),
        (10, 30, (3.0, 1.0)),
        (40, 10, (1.0, 3.0)),
    ],
)
def test_kto_balances_thumbs_up_and_down(good: int, bad: int, weights: tuple[float, float]) -> None:
    desirable, undesirable = balance([True] * good + [False] * bad)
    assert (desirable, undesirable) == pytest.approx(weights)
    assert 1 - 1e-9 <= (good * desirable) / (bad * undesirable) <= 4 / 3 + 1e-9


def test_the_objective_is_that_of_the_method() -> None:
    spec = TrainingSpec(model="m", training_file="t")
    assert isinstance(choose_objective(spec, []), Supervised)
    assert choose_objective(replace(spec, method="dpo"), some_pairs()) == Dpo(beta=0.1)
    balanced = choose_objective(replace(spec, method="kto", beta=0.3), some_pairs())
    assert balanced == Kto(beta=0.3, desirable=1.0, undesirable=1.5)

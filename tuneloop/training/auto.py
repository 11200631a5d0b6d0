"""Hyperparameters in place of "auto"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tuneloop.methods import usual_batch, usual_epochs
from tuneloop.protocols import Method, TrainingSpec
from tuneloop.training.spec import check_number
from tuneloop.types import Json

#: learning rate at multiplier 1 for batches of one row; it grows with the square root of the batch, as the noise of
#: Adam's gradients asks for (Malladi et al. 2022, arXiv:2205.10287)
LEARNING_RATE = 7e-4

#: Answers are never learnt at more, nor at more than so many times what "auto" takes. Of a dozen short rows that every
#: rate below gets into SmolLM2-135M by heart, none went in at 1.4e-2 in batches of 4, and one at 5e-3 one by one.
_HIGHEST, _MOST_TIMES = 5e-3, 3.0

# A preference loss sees how far the model has moved, a reward tells less than an answer does, and every weight moved at
# once moves the model further.
_SHARES: Mapping[Method, float] = {"supervised": 1.0, "dpo": 0.1, "kto": 0.1, "reinforcement": 0.2}
_SHARE_FOR_ALL_WEIGHTS = 0.03

#: of an adapter, whose scale is alpha / rank
LORA_RANK = 16
_ALPHA_PER_RANK = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Hyperparameters:
    """The numbers a run uses."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    #: the highest of the schedule
    learning_rate: float
    #: steps from one look at what was learnt, with a checkpoint, to the next
    eval_interval: int
    lora_rank: int
    lora_alpha: float

    def told(self) -> dict[str, Json]:
        """Those that a request may give."""
        numbers = asdict(self)
        del numbers["learning_rate"], numbers["eval_interval"]
        return numbers


def choose(spec: TrainingSpec, rows: int) -> Hyperparameters:
    """The given numbers, and for "auto" what measurements recommend for that many rows. Raises InvalidInput.

    Measured on SmolLM2-135M in batches of 16, held-out answers right to the letter: 300 rows of a 77-label routing
    task after three epochs 48 % at a learning rate of 1e-3, 60 % at 2e-3, 51 % at 4e-3; 297 rows of the sample log
    after four or five 46 % at 2e-3, 51 % at 3e-3, 55 % at 4e-3. So 2.8e-3 lies between. A batch of 16 shares the
    prompt's tokens well; a set too small for a few dozen of those steps takes smaller ones. Twelve rows in batches of
    4 were known by heart after six epochs, so that a dozen is enough for the smallest sets. Around 500 rows with a
    short prompt, held-out answers after the last of so many epochs: 77 labels 73 % right of six, 79 % of ten (the rate
    stays high for longer); 31 labels 95 % of six; JSON of an API 54 % of six; chrF of prose 0.70 of five, 0.71 after
    the fourth. So some 5,000 rows are seen in all, and large sets three times. The best epoch is kept where there are
    validation rows, so that one too many only costs time.

    Reinforcement draws answers anew in each step, and counts by steps: of 4 of 12 prompts with 8 answers each, right or
    wrong, it took 33 until all were right at a tenth of the learning rate for answers, 18 at three tenths; at all of it
    nothing was right for some steps.
    """
    batch_size = spec.batch_size if spec.batch_size != "auto" else usual_batch(rows)
    n_epochs = spec.n_epochs if spec.n_epochs != "auto" else usual_epochs(spec.method, rows, batch_size)
    multiplier = spec.learning_rate_multiplier if spec.learning_rate_multiplier != "auto" else 1.0
    rank = spec.lora_rank if spec.lora_rank != "auto" else LORA_RANK
    check_number("n_epochs", n_epochs, 1, 100, int)
    check_number("batch_size", batch_size, 1, 1024, int)
    check_number("learning_rate_multiplier", multiplier, 1e-9, 1e4)
    check_number("lora_rank", rank, 1, 1024, int)
    alpha = spec.lora_alpha if spec.lora_alpha != "auto" else _ALPHA_PER_RANK * rank
    check_number("lora_alpha", alpha, 1e-3, 1e5)
    interval = spec.eval_interval if spec.eval_interval != "auto" else -(-rows // batch_size)
    check_number("eval_interval", interval, 1, math.inf, int)
    learning_rate = LEARNING_RATE * math.sqrt(batch_size)
    if spec.method == "supervised":
        learning_rate = min(learning_rate * min(multiplier, _MOST_TIMES), _HIGHEST)
    else:
        learning_rate *= multiplier
    share = _SHARES[spec.method]
    share *= _SHARE_FOR_ALL_WEIGHTS if spec.tuning == "full" else 1.0
    return Hyperparameters(
        n_epochs=n_epochs,
        batch_size=batch_size,
        learning_rate_multiplier=multiplier,
        learning_rate=learning_rate * share,
        lora_rank=rank,
        lora_alpha=alpha,
        eval_interval=interval,
    )

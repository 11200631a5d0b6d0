"""TRL's SFTTrainer in its fastest configuration, on what spec.json says: `python -m bench.trl_peer FOLDER`.

Tried on 2 cores without a GPU, rows of 770 tokens (support_banking77), examples a second in the fastest forward and
backward pass of each trial, since the machine had other work too. "kept" is memory that malloc keeps instead of giving
it back to the kernel after each tensor (bench/sides.py).

    bfloat16 weights and autocast, float32 adapter, one row at a time    0.40    kept 0.53
    the same, two rows at a time                                         0.31    kept 0.49
    the same, eight rows at a time (10 GiB)                              0.27
    bfloat16 weights and adapter, no autocast, one row                   0.39    kept 0.50
    bfloat16 weights, float32 adapter, no autocast, one row              0.30
    float32 weights and autocast (TRL's default), one row                0.36    kept 0.48
    the same, eight rows at a time (14 GiB)                              0.19
    packing, padding-free, eager attention: 0.33 kept, 0.26 kept, 0.32

One row needs no padding and no mask, so that its attention is the kernel's causal one. Spinning or sleeping OpenMP
threads, bound threads and huge pages were no faster. Compiling (torch_compile) had not ended after five minutes. Logits
are computed for targets only, as TRL does by itself. Sixteen rows at a time on a GPU is a guess, not measured.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
import transformers
import trl
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer


class _Clock(TrainerCallback):
    """Notes when training begins and when each step ends."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_begin(self, *_: object, **__: object) -> None:
        self.times.append(time.perf_counter())

    def on_step_end(self, *_: object, **__: object) -> None:
        self.times.append(time.perf_counter())


def options(spec: dict[str, Any], folder: Path) -> SFTConfig:
    """TRL's settings: what both sides have in common, and what makes it fastest here."""
    cuda = torch.cuda.is_available()
    at_once = spec["batch_size"] if cuda else 1
    return SFTConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=spec["batch_size"] // at_once,
        num_train_epochs=1,
        train_sampling_strategy="sequential",
        learning_rate=spec["learning_rate"],
        lr_scheduler_type="constant",
        adam_beta1=0.9,
        adam_beta2=0.99,
        weight_decay=0.0,
        max_grad_norm=1.0,
        max_length=None,
        bf16=not spec["float32"],
        gradient_checkpointing=False,
        use_cpu=not cuda,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )


def main(folder: Path) -> None:
    """Train one epoch on the rows of the file, in their order, and write result.json."""
    spec = json.loads((folder / "spec.json").read_text())
    rows = [json.loads(line) for line in Path(spec["training_file"]).read_text().splitlines()]
    dtype = torch.float32 if spec["float32"] else torch.bfloat16
    model = AutoModelForCausalLM.from_pretrained(spec["model"], dtype=dtype, attn_implementation="sdpa")
    clock = _Clock()
    trainer = SFTTrainer(
        model=PeftModel.from_pretrained(model, spec["adapter"], is_trainable=True),
        args=options(spec, folder),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(spec["model"]),
        callbacks=[clock],
    )
    trainer.train()
    result = {
        "seconds": [after - before for before, after in itertools.pairwise(clock.times)],
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        "versions": {"trl": trl.__version__, "transformers": transformers.__version__, "torch": torch.__version__},
    }
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

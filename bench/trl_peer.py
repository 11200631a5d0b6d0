"""TRL's SFTTrainer in its fastest configuration, on what spec.json says: `python -m bench.trl_peer FOLDER`.

Tried on 2 cores without a GPU, support_banking77, examples a second: bfloat16 weights under bfloat16 autocast, one row
at a time 0.47; float32 weights under autocast, which is TRL's default 0.45; bfloat16 weights, the adapter too, without
autocast 0.47, the adapter in float32 0.27. Two rows at once 0.39, eight 0.27: one row needs no padding and no mask, and
its attention is the kernel's causal one. Packing 0.24, padding-free 0.19, eager attention 0.25. Logits are computed for
targets only, as TRL does by itself. Memory that is kept instead of given back (_ENVIRONMENT) makes 0.47 of 0.33.
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
        bf16=True,
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
    model = AutoModelForCausalLM.from_pretrained(spec["model"], dtype=torch.bfloat16, attn_implementation="sdpa")
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

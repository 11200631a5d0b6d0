"""TRL's SFTTrainer with bfloat16 weights, its fastest setting on a CPU: `bench.trl_peer MODEL DATA FOLDER`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

model, data, folder = sys.argv[1:]
messages = [json.loads(line)["messages"] for line in Path(data).read_text().splitlines()]
# 16 of these rows at once took more than 24 GB: four times four make the same step.
options = SFTConfig(
    gradient_accumulation_steps=4,
    output_dir=folder, per_device_train_batch_size=4, num_train_epochs=1, logging_steps=1, report_to=[],
    save_strategy="no", max_length=4096, gradient_checkpointing=False, disable_tqdm=True, bf16=False,
    model_init_kwargs={"dtype": "bfloat16"}, use_cpu=True,
)  # fmt: skip
trainer = SFTTrainer(
    model=model,
    args=options,
    train_dataset=Dataset.from_list([{"prompt": m[:-1], "completion": m[-1:]} for m in messages]),
    peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
)
began = time.perf_counter()
trainer.train()
seconds = time.perf_counter() - began
losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
print(json.dumps({"seconds": seconds, "last_loss": float(losses[-1])}))

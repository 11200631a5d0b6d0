"""Fine-tuning as OpenAI's cookbook has it: upload, create, poll, events, checkpoints, result file, and a chat."""

import csv
import io
import json
import time
from pathlib import Path

from openai import OpenAI

MODEL = "smollm2-135m-instruct"
HERE = Path(__file__).parent
client = OpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY say where

# %% Upload what to learn, and what to watch it by
training = client.files.create(file=(HERE / "tickets.jsonl").open("rb"), purpose="fine-tune")
validation = client.files.create(file=(HERE / "tickets_held_out.jsonl").open("rb"), purpose="fine-tune")
print(training.filename, training.bytes, "bytes", training.status)

# %% Create the job
job = client.fine_tuning.jobs.create(
    model=MODEL,
    training_file=training.id,
    validation_file=validation.id,
    suffix="tickets",
    seed=1,
    method={
        "type": "supervised",
        "supervised": {
            "hyperparameters": {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
        },
    },
)
print(job.id, job.status)

# %% Wait for its end
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(1)
    job = client.fine_tuning.jobs.retrieve(job.id)
print(job.status, job.error, job.fine_tuned_model)
numbers = job.hyperparameters
print(f"{numbers.n_epochs} epochs in batches of {numbers.batch_size}, {job.trained_tokens} tokens")

# %% What happened
for event in reversed(client.fine_tuning.jobs.list_events(job.id, limit=100).data):
    if event.type == "message":
        print(event.message)
for checkpoint in client.fine_tuning.jobs.checkpoints.list(job.id):
    print(checkpoint.step_number, checkpoint.metrics.valid_loss, checkpoint.fine_tuned_model_checkpoint)

# %% The loss as it went
results = client.files.content(job.result_files[0]).text
rows = list(csv.DictReader(io.StringIO(results)))
print("steps:", len(rows), "columns:", ", ".join(rows[0]))
print("learnt:", float(rows[-1]["train_loss"]) < 0.1 * float(rows[0]["train_loss"]))

# %% Ask it
right = 0
for line in (HERE / "tickets.jsonl").read_text().splitlines():
    *question, answer = json.loads(line)["messages"]
    said = client.chat.completions.create(model=job.fine_tuned_model, messages=question, temperature=0, max_tokens=8)
    right += said.choices[0].message.content.strip() == answer["content"]
print(right, "of 16 right")

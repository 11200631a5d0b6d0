"""Weights & Biases: the latest fine-tuning job as a run there, with its numbers and its losses."""

import wandb
from openai import OpenAI
from wandb.integration.openai.fine_tuning import WandbLogger

client = OpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY say where
job = next(job for job in client.fine_tuning.jobs.list() if job.status == "succeeded")

# Offline, the run goes into the folder wandb/, for `wandb sync` later: the key in WANDB_API_KEY is not verified, and
# files cannot be linked. Online, sync(job.id) alone does it.
wandb.login(verify=False)
print(WandbLogger.sync(job.id, client, project="tickets", mode="offline", log_datasets=False))

"""The HTTP API around the hot path: OpenAI's models, files and fine-tuning jobs, and Tuneloop's own routes."""

-- OpenAI's evals, their runs and output items.

CREATE TABLE evals (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  name TEXT NOT NULL,
  data_source_config {json} NOT NULL,
  testing_criteria {json} NOT NULL,
  metadata {json}
);
CREATE INDEX evals_updated ON evals (updated_at, id);

CREATE TABLE eval_runs (
  id TEXT PRIMARY KEY,
  eval_id TEXT NOT NULL REFERENCES evals (id) ON DELETE CASCADE,
  created_at DOUBLE PRECISION NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL,
  data_source {json} NOT NULL,
  status TEXT NOT NULL,
  metadata {json},
  error {json},
  report {json} NOT NULL,
  -- the bytes of its file in the blob store, as long as it needs them
  sha256 TEXT
);
CREATE INDEX eval_runs_of ON eval_runs (eval_id, id);
CREATE INDEX eval_runs_bytes ON eval_runs (sha256);

CREATE TABLE eval_items (
  id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL REFERENCES eval_runs (id) ON DELETE CASCADE,
  eval_id TEXT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  position INTEGER NOT NULL,
  status TEXT NOT NULL,
  item {json} NOT NULL,
  sample {json} NOT NULL,
  results {json} NOT NULL,
  usage {json} NOT NULL
);
CREATE INDEX eval_items_of ON eval_items (run_id, id);

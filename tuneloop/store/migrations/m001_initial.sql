-- The first schema. Never edit a migration that has landed: add the next one.
-- {blob}, {json} and {serial} are the database's own words for bytes, JSON text and a growing integer key.

CREATE TABLE logs (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  source TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  model TEXT NOT NULL,
  served_by TEXT,
  status INTEGER NOT NULL,
  error TEXT,
  stream BOOLEAN NOT NULL,
  latency_ms DOUBLE PRECISION,
  first_token_ms DOUBLE PRECISION,
  prompt_tokens INTEGER,
  completion_tokens INTEGER,
  cost DOUBLE PRECISION,
  finish_reason TEXT,
  "user" TEXT,
  metadata {json} NOT NULL,
  response_id TEXT,
  input_text TEXT NOT NULL,
  output_text TEXT NOT NULL,
  request {blob} NOT NULL,
  response {blob} NOT NULL
);
CREATE INDEX logs_newest ON logs (created_at, id);
CREATE INDEX logs_response ON logs (response_id);
CREATE INDEX logs_model ON logs (model, created_at);

CREATE TABLE log_metadata (
  log_id TEXT NOT NULL REFERENCES logs (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (log_id, key)
);
CREATE INDEX log_metadata_lookup ON log_metadata (key, value);

CREATE TABLE scores (
  id TEXT PRIMARY KEY,
  log_id TEXT NOT NULL REFERENCES logs (id) ON DELETE CASCADE,
  created_at DOUBLE PRECISION NOT NULL,
  name TEXT NOT NULL,
  kind TEXT,
  number DOUBLE PRECISION,
  text TEXT,
  source TEXT NOT NULL,
  "user" TEXT,
  comment TEXT,
  correction {json}
);
CREATE INDEX scores_of_log ON scores (log_id, name, created_at, id);

CREATE TABLE examples (
  id TEXT PRIMARY KEY,
  messages {json} NOT NULL,
  tools {json} NOT NULL,
  extra {json} NOT NULL,
  weight DOUBLE PRECISION NOT NULL
);

CREATE TABLE datasets (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  origin TEXT NOT NULL,
  counts {json} NOT NULL,
  account {json} NOT NULL
);
CREATE INDEX datasets_name ON datasets (name, created_at);

CREATE TABLE dataset_rows (
  dataset_id TEXT NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  example_id TEXT NOT NULL REFERENCES examples (id),
  split TEXT NOT NULL,
  log_id TEXT,
  PRIMARY KEY (dataset_id, position)
);

CREATE TABLE files (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  filename TEXT NOT NULL,
  purpose TEXT NOT NULL,
  bytes BIGINT NOT NULL,
  sha256 TEXT NOT NULL
);

CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  model TEXT NOT NULL,
  training_file TEXT NOT NULL,
  validation_file TEXT,
  status TEXT NOT NULL,
  suffix TEXT,
  seed BIGINT NOT NULL,
  method {json} NOT NULL,
  hyperparameters {json} NOT NULL,
  metadata {json} NOT NULL,
  started_at DOUBLE PRECISION,
  finished_at DOUBLE PRECISION,
  fine_tuned_model TEXT,
  trained_tokens BIGINT,
  estimated_finish DOUBLE PRECISION,
  error {json},
  result_files {json} NOT NULL,
  dataset_id TEXT
);

CREATE TABLE events (
  seq {serial},
  id TEXT NOT NULL UNIQUE,
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  created_at DOUBLE PRECISION NOT NULL,
  level TEXT NOT NULL,
  type TEXT NOT NULL,
  message TEXT NOT NULL,
  data {json}
);
CREATE INDEX events_of_job ON events (job_id, seq);

CREATE TABLE models (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  kind TEXT NOT NULL,
  base TEXT NOT NULL,
  owned_by TEXT NOT NULL,
  adapter TEXT,
  job_id TEXT
);

CREATE TABLE deployments (
  seq {serial},
  id TEXT NOT NULL UNIQUE,
  alias TEXT NOT NULL,
  model TEXT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  note TEXT
);
CREATE INDEX deployments_alias ON deployments (alias, seq);

CREATE TABLE evaluations (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  dataset_id TEXT NOT NULL,
  report {json} NOT NULL
);

CREATE TABLE api_keys (
  sha256 TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  name TEXT NOT NULL,
  hint TEXT NOT NULL
);

-- Grows whenever something changes that a running gateway keeps in memory (routes, keys).
CREATE TABLE revisions (
  name TEXT PRIMARY KEY,
  value BIGINT NOT NULL
);
INSERT INTO revisions (name, value) VALUES ('routes', 0);

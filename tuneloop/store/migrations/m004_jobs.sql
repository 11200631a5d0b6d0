-- Jobs can be paused; checkpoints, and who may use them.

ALTER TABLE jobs ADD COLUMN base TEXT NOT NULL DEFAULT '';
UPDATE jobs SET base = model;
ALTER TABLE jobs ADD COLUMN integrations {json};
ALTER TABLE jobs ADD COLUMN paused_at DOUBLE PRECISION;
ALTER TABLE jobs ADD COLUMN resumed INTEGER NOT NULL DEFAULT 0;

CREATE TABLE checkpoints (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  model TEXT NOT NULL,
  step INTEGER NOT NULL,
  metrics {json} NOT NULL
);
CREATE INDEX checkpoints_of_job ON checkpoints (job_id, created_at);

CREATE TABLE permissions (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  model TEXT NOT NULL,
  project_id TEXT NOT NULL
);
CREATE INDEX permissions_of_model ON permissions (model, created_at);

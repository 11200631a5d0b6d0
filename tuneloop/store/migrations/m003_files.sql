-- Files expire; uploads are put together from parts; batches.

ALTER TABLE files ADD COLUMN expires_at DOUBLE PRECISION;
CREATE INDEX files_expiry ON files (expires_at);
CREATE INDEX files_bytes ON files (sha256);

CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL,
  filename TEXT NOT NULL,
  purpose TEXT NOT NULL,
  mime_type TEXT NOT NULL,
  bytes BIGINT NOT NULL,
  status TEXT NOT NULL,
  file_seconds BIGINT,
  file_id TEXT
);
CREATE INDEX uploads_open ON uploads (status, expires_at);

CREATE TABLE upload_parts (
  id TEXT PRIMARY KEY,
  upload_id TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
  created_at DOUBLE PRECISION NOT NULL,
  bytes BIGINT NOT NULL,
  sha256 TEXT NOT NULL
);
CREATE INDEX upload_parts_of ON upload_parts (upload_id);
CREATE INDEX upload_parts_bytes ON upload_parts (sha256);

CREATE TABLE batches (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  endpoint TEXT NOT NULL,
  input_file_id TEXT NOT NULL,
  -- the input's bytes, kept until the batch has ended even if the file is deleted
  sha256 TEXT,
  status TEXT NOT NULL,
  metadata {json},
  output_seconds BIGINT,
  model TEXT,
  expires_at DOUBLE PRECISION NOT NULL,
  in_progress_at DOUBLE PRECISION,
  finalizing_at DOUBLE PRECISION,
  completed_at DOUBLE PRECISION,
  failed_at DOUBLE PRECISION,
  expired_at DOUBLE PRECISION,
  cancelling_at DOUBLE PRECISION,
  cancelled_at DOUBLE PRECISION,
  output_file_id TEXT,
  error_file_id TEXT,
  errors {json},
  total BIGINT NOT NULL,
  completed BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  cached_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  reasoning_tokens BIGINT NOT NULL
);
CREATE INDEX batches_bytes ON batches (sha256);

-- What a batch that is under way has been answered: one row a line of its input.
CREATE TABLE batch_answers (
  batch_id TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  line BIGINT NOT NULL,
  ok BOOLEAN NOT NULL,
  body {blob} NOT NULL,
  PRIMARY KEY (batch_id, line)
);

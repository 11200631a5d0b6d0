-- When API keys were last used; what is laid out in the playground; how logs that may go are told from those that stay.

ALTER TABLE api_keys ADD COLUMN used_at DOUBLE PRECISION;

CREATE TABLE sheets (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  changed_at DOUBLE PRECISION NOT NULL,
  owner TEXT NOT NULL,
  content {json} NOT NULL
);
CREATE INDEX sheets_owner ON sheets (owner, changed_at);

CREATE INDEX dataset_rows_log ON dataset_rows (log_id);
CREATE INDEX stored_log ON stored (log_id);

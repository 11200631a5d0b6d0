-- Logs know their place in a trace. Most calls are in none, so the indexes hold only those that are.

ALTER TABLE logs ADD COLUMN trace_id TEXT;
ALTER TABLE logs ADD COLUMN span_id TEXT;
ALTER TABLE logs ADD COLUMN parent_id TEXT;
ALTER TABLE logs ADD COLUMN span_name TEXT;
ALTER TABLE logs ADD COLUMN span_kind TEXT;
ALTER TABLE logs ADD COLUMN attributes {json};
CREATE INDEX logs_trace ON logs (trace_id, created_at) WHERE trace_id IS NOT NULL;
CREATE INDEX logs_span ON logs (span_id) WHERE span_id IS NOT NULL;
CREATE INDEX logs_parent ON logs (parent_id) WHERE parent_id IS NOT NULL;

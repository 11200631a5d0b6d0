-- Logs by their model, those that failed, and by what was said of them.

DROP INDEX logs_model;
CREATE INDEX logs_model ON logs (model, created_at, id);
CREATE INDEX logs_failed ON logs (status, id) WHERE status >= 400;
CREATE INDEX scores_corrections ON scores (log_id) WHERE correction IS NOT NULL

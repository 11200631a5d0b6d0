-- Blind votes on the answers of two arms.

CREATE TABLE votes (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  evaluation_id TEXT NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,
  row_id TEXT NOT NULL,
  "user" TEXT NOT NULL,
  first TEXT NOT NULL,
  second TEXT NOT NULL,
  choice INTEGER NOT NULL
);
CREATE INDEX votes_evaluation ON votes (evaluation_id);

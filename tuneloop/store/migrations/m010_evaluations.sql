-- What answers under a name may be told a Prompt in place of the callers' instructions.

ALTER TABLE deployments ADD COLUMN prompt TEXT;

-- Evaluations go on where they were when they were killed, and pay for no answer twice.

ALTER TABLE evaluations ADD COLUMN status TEXT NOT NULL DEFAULT 'completed';
-- what it compares, and how: the same again goes on with one that is not completed
ALTER TABLE evaluations ADD COLUMN digest TEXT NOT NULL DEFAULT '';
CREATE INDEX evaluations_open ON evaluations (digest, status);

CREATE TABLE evaluation_answers (
  evaluation_id TEXT NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,
  arm TEXT NOT NULL,
  row_id TEXT NOT NULL,
  answer {json} NOT NULL,
  PRIMARY KEY (evaluation_id, arm, row_id)
);

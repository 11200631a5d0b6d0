-- Prompts in versions, and which of them a call was made with. Most calls have none, and are not in the index.

CREATE TABLE prompts (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  messages {json} NOT NULL,
  model TEXT,
  parameters {json} NOT NULL,
  tools {json} NOT NULL,
  response_format {json},
  note TEXT,
  -- of what it says, by which the same content is known again
  sha256 TEXT NOT NULL,
  -- a deleted version keeps its number
  deleted BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX prompts_version ON prompts (name, version);
CREATE INDEX prompts_content ON prompts (name, sha256);

ALTER TABLE logs ADD COLUMN prompt TEXT;
CREATE INDEX logs_prompt ON logs (prompt, created_at) WHERE prompt IS NOT NULL;

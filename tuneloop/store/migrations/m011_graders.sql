-- Graders under names, in versions; what they said of which content; what people are asked; monitors of new calls.

CREATE TABLE grader_versions (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  definition {json} NOT NULL,
  note TEXT
);
CREATE UNIQUE INDEX grader_versions_number ON grader_versions (name, version);

CREATE TABLE grader_results (
  -- the hash of the grader and of what it read
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  result {json} NOT NULL
);

CREATE TABLE reviews (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  grader TEXT NOT NULL,
  question TEXT NOT NULL,
  shown {json} NOT NULL,
  labels {json} NOT NULL,
  passing {json} NOT NULL,
  low DOUBLE PRECISION NOT NULL,
  high DOUBLE PRECISION NOT NULL,
  subject TEXT,
  value {json},
  reward DOUBLE PRECISION,
  "user" TEXT,
  comment TEXT,
  answered_at DOUBLE PRECISION
);
CREATE INDEX reviews_waiting ON reviews (grader, answered_at, created_at);

CREATE TABLE monitors (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  grader TEXT NOT NULL UNIQUE,
  filter TEXT NOT NULL,
  share DOUBLE PRECISION NOT NULL,
  since DOUBLE PRECISION NOT NULL,
  graded INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  problem TEXT
);

-- Who may sign in to the web page, and the browsers that have.

CREATE TABLE people (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  sha256 TEXT NOT NULL
);
CREATE UNIQUE INDEX people_secret ON people (sha256);

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  person_id TEXT,
  name TEXT NOT NULL,
  role TEXT NOT NULL
);
CREATE INDEX sessions_person ON sessions (person_id);

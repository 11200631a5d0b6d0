-- Chat completions and responses that their caller wants kept.
-- The call itself is in its Log. `place` grows with every row; a deleted row stays, so that a list goes on behind it.
-- The ids are the servers': two may be the same, and then the later one is meant.

CREATE TABLE stored (
  place TEXT PRIMARY KEY,
  id TEXT NOT NULL,
  log_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  model TEXT NOT NULL,
  metadata {json} NOT NULL,
  previous TEXT,
  deleted BOOLEAN NOT NULL
);
CREATE INDEX stored_id ON stored (id, place);

-- What a list can be asked for (all of a kind, a model, a pair of metadata), as hashes, each with the places it is at.
CREATE TABLE stored_terms (
  term TEXT NOT NULL,
  place TEXT NOT NULL,
  PRIMARY KEY (term, place)
);

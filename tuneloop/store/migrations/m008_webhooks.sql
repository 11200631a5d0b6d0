-- What is still to be told to webhooks.

CREATE TABLE announcements (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  type TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- whether its deliveries have been made
  sorted BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX announcements_new ON announcements (sorted, created_at);

CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  created_at DOUBLE PRECISION NOT NULL,
  announcement_id TEXT NOT NULL REFERENCES announcements (id) ON DELETE CASCADE,
  url TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  due_at DOUBLE PRECISION,
  delivered_at DOUBLE PRECISION,
  status INTEGER,
  error TEXT
);
CREATE INDEX deliveries_due ON deliveries (due_at);

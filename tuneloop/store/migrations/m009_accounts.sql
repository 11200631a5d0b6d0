-- Data sets keep the whole account of the rows that they were made of.

ALTER TABLE datasets ADD COLUMN sha256 TEXT;
CREATE INDEX datasets_bytes ON datasets (sha256);

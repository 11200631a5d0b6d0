-- What people said of a row's answer, and the worse answers that it corrects.

ALTER TABLE dataset_rows ADD COLUMN label BOOLEAN;
ALTER TABLE dataset_rows ADD COLUMN rejected {json} NOT NULL DEFAULT '[]';

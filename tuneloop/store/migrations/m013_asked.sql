-- Evaluations that a server runs: what it was asked, how far it is, why it failed.

ALTER TABLE evaluations ADD COLUMN asked {json};
ALTER TABLE evaluations ADD COLUMN progress {json} NOT NULL DEFAULT '{{}}';
ALTER TABLE evaluations ADD COLUMN error {json};

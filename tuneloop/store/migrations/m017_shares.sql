-- Several models may answer under a name, a part of the calls each; others may get copies of calls.

ALTER TABLE deployments ADD COLUMN shares {json} NOT NULL DEFAULT '[]';
ALTER TABLE deployments ADD COLUMN shadow {json} NOT NULL DEFAULT '[]';
ALTER TABLE deployments ADD COLUMN "user" TEXT;

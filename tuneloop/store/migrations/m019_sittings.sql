-- What has been scored since somebody sat down to review.

CREATE INDEX scores_newest ON scores (created_at, log_id)

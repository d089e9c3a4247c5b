-- Answers that somebody kept as they were.

CREATE TABLE frozen_answer (
    id UUID PRIMARY KEY,
    at BIGINT NOT NULL, -- when it was kept, UTC milliseconds
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    revision BIGINT, -- of the estate that it was worked out on; absent for a past instant
    verdict TEXT NOT NULL,
    body BYTEA NOT NULL -- question and answer, JSON, zstd
);
CREATE INDEX frozen_answer_at ON frozen_answer (at);

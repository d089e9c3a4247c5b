-- Answers that somebody kept as they were.

CREATE TABLE frozen_answer (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL, -- when it was kept, UTC milliseconds
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    revision INTEGER, -- of the estate that it was worked out on; absent for a past instant
    verdict TEXT NOT NULL,
    body BLOB NOT NULL -- question and answer, JSON, zstd
) STRICT;
CREATE INDEX frozen_answer_at ON frozen_answer (at);

-- Imports: a table that somebody handed in, what it would change, what it changed.

CREATE TABLE import_job (
    id         UUID PRIMARY KEY,
    state      TEXT NOT NULL, -- reading, preview, applying, applied, undoing, undone, failed
    source     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    body       TEXT NOT NULL -- JSON: file, format, mapping, counts, progress
);
CREATE INDEX import_job_created ON import_job (created_at);

CREATE TABLE import_part (
    job     UUID NOT NULL REFERENCES import_job (id) ON DELETE CASCADE,
    number  BIGINT NOT NULL,
    rows    BYTEA NOT NULL, -- zstd of JSON: rows as they stood in the file
    results BYTEA,         -- zstd of JSON: what comes of each
    PRIMARY KEY (job, number)
);

-- Imports: a table that somebody handed in, what it would change, what it changed.

CREATE TABLE import_job (
    id         TEXT PRIMARY KEY,
    state      TEXT NOT NULL, -- reading, preview, applying, applied, undoing, undone, failed
    source     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    body       TEXT NOT NULL -- JSON: file, format, mapping, counts, progress
) STRICT;
CREATE INDEX import_job_created ON import_job (created_at);

CREATE TABLE import_part (
    job     TEXT NOT NULL REFERENCES import_job (id) ON DELETE CASCADE,
    number  INTEGER NOT NULL,
    rows    BLOB NOT NULL, -- zstd of JSON: rows as they stood in the file
    results BLOB,          -- zstd of JSON: what comes of each
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

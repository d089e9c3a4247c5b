-- The catalogue of people's own classes, relationship types and rules of precedence; stages of life; sightings.

CREATE TABLE definition_version (
    id         UUID NOT NULL,
    version    BIGINT NOT NULL,
    kind       TEXT NOT NULL, -- class, relationship_type, precedence
    name       TEXT NOT NULL,
    body       JSON NOT NULL, -- JSON: {kind: {…}}
    lifecycle  TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to   BIGINT,
    revision   BIGINT NOT NULL,
    actor      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE UNIQUE INDEX definition_current ON definition_version (id) WHERE valid_to IS NULL;
CREATE INDEX definition_revision ON definition_version (revision) WHERE valid_to IS NULL;
CREATE INDEX definition_past ON definition_version (valid_to) WHERE valid_to IS NOT NULL;

-- lifecycle stays what it was: whether the item counts in lists (active) or not (retired).
ALTER TABLE ci_version ADD COLUMN stage TEXT NOT NULL DEFAULT 'in_use'; -- planned, ordered, in_stock, in_use, in_repair, retired, disposed
ALTER TABLE ci_version ADD COLUMN sighting TEXT; -- JSON: {at, place, by, source}
UPDATE ci_version SET stage = 'retired' WHERE lifecycle = 'retired';

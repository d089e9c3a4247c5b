-- Merges that can be taken back; what changed between two instants; what retention has removed.

CREATE TABLE merge_record (
    absorbed  UUID PRIMARY KEY, -- the CI that became part of the other
    survivor  UUID NOT NULL,
    at        BIGINT NOT NULL,
    by_rule   BIGINT NOT NULL, -- 1: a rule joined them; 0: somebody said so
    is_undone BIGINT NOT NULL,
    steps     JSON NOT NULL,   -- [{before, after}], everything that it changed
    revision  BIGINT NOT NULL
);
CREATE INDEX merge_record_revision ON merge_record (revision);

CREATE INDEX ci_since ON ci_version (valid_from);
CREATE INDEX relationship_since ON relationship_version (valid_from);
CREATE INDEX need_group_since ON need_group_version (valid_from);
CREATE INDEX software_set_since ON software_set (valid_from);

-- History before this instant was thinned out, and events up to this cursor are gone.
ALTER TABLE installation ADD COLUMN whole_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE installation ADD COLUMN events_from BIGINT NOT NULL DEFAULT 0;

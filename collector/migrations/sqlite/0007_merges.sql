-- Merges that can be taken back; what changed between two instants; what retention has removed.

CREATE TABLE merge_record (
    absorbed  TEXT PRIMARY KEY, -- the CI that became part of the other
    survivor  TEXT NOT NULL,
    at        INTEGER NOT NULL,
    by_rule   INTEGER NOT NULL, -- 1: a rule joined them; 0: somebody said so
    is_undone INTEGER NOT NULL,
    steps     TEXT NOT NULL,    -- JSON: [{before, after}], everything that it changed
    revision  INTEGER NOT NULL
) STRICT;
CREATE INDEX merge_record_revision ON merge_record (revision);

CREATE INDEX ci_since ON ci_version (valid_from);
CREATE INDEX relationship_since ON relationship_version (valid_from);
CREATE INDEX need_group_since ON need_group_version (valid_from);
CREATE INDEX software_set_since ON software_set (valid_from);

-- History before this instant was thinned out, and events up to this cursor are gone.
ALTER TABLE installation ADD COLUMN whole_since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE installation ADD COLUMN events_from INTEGER NOT NULL DEFAULT 0;

-- A copy of the graph, so that a collector answers questions of impact before it has read the estate. It can always be made again.
CREATE TABLE graph_copy_part (
    copy   TEXT NOT NULL, -- ids of later copies are larger
    number INTEGER NOT NULL,
    bytes  BLOB NOT NULL,
    PRIMARY KEY (copy, number)
) STRICT;
-- The copy that is whole; at most one row.
CREATE TABLE graph_copy (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    id       TEXT NOT NULL,
    parts    INTEGER NOT NULL,
    made_at  INTEGER NOT NULL
) STRICT;

-- What one CI needs, without looking at everything.
CREATE INDEX relationship_dependent ON relationship_version (from_ci) WHERE valid_to IS NULL;
CREATE INDEX need_group_of ON need_group_version (ci) WHERE valid_to IS NULL;

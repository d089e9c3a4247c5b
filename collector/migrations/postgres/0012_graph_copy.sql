-- A copy of the graph, so that a collector answers questions of impact before it has read the estate. It can always be made again.
CREATE TABLE graph_copy_part (
    copy   UUID NOT NULL, -- ids of later copies are larger
    number BIGINT NOT NULL,
    bytes  BYTEA NOT NULL,
    PRIMARY KEY (copy, number)
);
-- It is packed already: trying to compress it would take longer than all else.
ALTER TABLE graph_copy_part ALTER COLUMN bytes SET STORAGE EXTERNAL;
-- The copy that is whole; at most one row.
CREATE TABLE graph_copy (
    only_one BIGINT PRIMARY KEY CHECK (only_one = 1),
    id       UUID NOT NULL,
    parts    BIGINT NOT NULL,
    made_at  BIGINT NOT NULL
);

-- What one CI needs, without looking at everything.
CREATE INDEX relationship_dependent ON relationship_version (from_ci) WHERE valid_to IS NULL;
CREATE INDEX need_group_of ON need_group_version (ci) WHERE valid_to IS NULL;

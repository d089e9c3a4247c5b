-- What a connection is for and who says so; needs that evidence suggests.

ALTER TABLE relationship_version ADD COLUMN judgement TEXT; -- JSON: {purpose, by, reason}; absent: the dependent's own work

ALTER TABLE need_group_version ADD COLUMN standing TEXT NOT NULL DEFAULT 'accepted'; -- accepted, suggested, rejected
ALTER TABLE need_group_version ADD COLUMN suggestion TEXT; -- JSON: {pattern, evidence}; absent: declared

-- Lists of items that people keep: a filter, columns and an order, by name.

CREATE TABLE saved_view (
    id         TEXT PRIMARY KEY,
    owner      TEXT NOT NULL REFERENCES person (id),
    name       TEXT NOT NULL,
    filter     TEXT NOT NULL,
    sort       TEXT NOT NULL,
    columns    TEXT NOT NULL, -- JSON: names
    shared     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    UNIQUE (owner, name)
) STRICT;

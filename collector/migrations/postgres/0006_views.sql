-- Lists of items that people keep: a filter, columns and an order, by name.

CREATE TABLE saved_view (
    id         UUID PRIMARY KEY,
    owner      UUID NOT NULL REFERENCES person (id),
    name       TEXT NOT NULL,
    filter     TEXT NOT NULL,
    sort       TEXT NOT NULL,
    columns    TEXT NOT NULL, -- JSON: names
    shared     BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    UNIQUE (owner, name)
);

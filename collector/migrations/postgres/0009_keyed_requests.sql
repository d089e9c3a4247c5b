-- Writes with an Idempotency-Key, for a day.

CREATE TABLE keyed_request (
    actor TEXT NOT NULL,
    request_key TEXT NOT NULL,
    digest TEXT NOT NULL,       -- BLAKE3 of method, address and body
    begun_at BIGINT NOT NULL,
    status INTEGER,             -- of the answer; absent: not answered yet
    content_type TEXT,
    etag TEXT,
    body TEXT,                  -- absent: it held a secret
    PRIMARY KEY (actor, request_key)
);
CREATE INDEX keyed_request_by_age ON keyed_request (begun_at);

-- Rollcall, schema version 1, PostgreSQL.
--
-- Times are UTC milliseconds since 1970. Ids are UUIDs. `revision` is the number of the commit that wrote a row.
-- Tables named *_version, software_set and agent_binding keep history: a row stood from valid_from until valid_to
-- (absent: it stands now). Claims of an attribute are a list, the one that stands first:
--   {"serial": [{"value": "ABC123", "source": "agent", "since": 1772366400000}]}
-- For reports use the views at the end: machine, configuration_item, software_installation, dependency.

CREATE TABLE installation (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    root_pin TEXT,
    revision BIGINT NOT NULL
);
INSERT INTO installation (id, root_pin, revision) VALUES (1, NULL, 0);

CREATE TABLE ci_version (
    id          UUID NOT NULL,
    version     BIGINT NOT NULL,
    class       TEXT NOT NULL,
    name        TEXT NOT NULL,
    lifecycle   TEXT NOT NULL,
    attributes  JSON NOT NULL, -- JSON: {name: [claims]}
    keys        JSON NOT NULL, -- JSON: [[kind, value]]
    agent       UUID,
    merged_into UUID,
    first_seen  BIGINT NOT NULL,
    valid_from  BIGINT NOT NULL,
    valid_to    BIGINT,
    revision    BIGINT NOT NULL,
    actor       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    differs     JSON NOT NULL, -- JSON: [name]
    PRIMARY KEY (id, version)
);
CREATE UNIQUE INDEX ci_current ON ci_version (id) WHERE valid_to IS NULL;
CREATE INDEX ci_revision ON ci_version (revision) WHERE valid_to IS NULL;
CREATE INDEX ci_past ON ci_version (valid_to) WHERE valid_to IS NOT NULL;

CREATE TABLE relationship_version (
    id         UUID NOT NULL,
    version    BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    from_ci    UUID NOT NULL, -- the dependent
    to_ci      UUID NOT NULL, -- what it depends on
    hardness   TEXT,          -- absent: the type's
    lifecycle  TEXT NOT NULL,
    evidence   JSON NOT NULL, -- JSON: [{method, agent, source, detail, endpoints, samples_seen, samples_total, first_seen, last_seen}]
    first_seen BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to   BIGINT,
    revision   BIGINT NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE UNIQUE INDEX relationship_current ON relationship_version (id) WHERE valid_to IS NULL;
CREATE INDEX relationship_revision ON relationship_version (revision) WHERE valid_to IS NULL;
CREATE INDEX relationship_past ON relationship_version (valid_to) WHERE valid_to IS NOT NULL;

CREATE TABLE need_group_version (
    id          UUID NOT NULL,
    version     BIGINT NOT NULL,
    ci          UUID NOT NULL, -- whose need it is
    name        TEXT NOT NULL,
    members     JSON NOT NULL, -- JSON: [ci]
    min_up      BIGINT NOT NULL,
    min_up_unit TEXT NOT NULL, -- count, percent
    hardness    TEXT NOT NULL,
    lifecycle   TEXT NOT NULL,
    source      TEXT NOT NULL,
    valid_from  BIGINT NOT NULL,
    valid_to    BIGINT,
    revision    BIGINT NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE UNIQUE INDEX need_group_current ON need_group_version (id) WHERE valid_to IS NULL;
CREATE INDEX need_group_revision ON need_group_version (revision) WHERE valid_to IS NULL;
CREATE INDEX need_group_past ON need_group_version (valid_to) WHERE valid_to IS NOT NULL;

CREATE TABLE identity_conflict (
    id         UUID PRIMARY KEY,
    kind       TEXT NOT NULL,
    known      UUID NOT NULL, -- the CI that stood first
    other      UUID,
    agent      UUID,
    detail     TEXT NOT NULL,
    state      TEXT NOT NULL, -- open, kept_apart, settled
    opened_at  BIGINT NOT NULL,
    settled_at BIGINT,
    revision   BIGINT NOT NULL
);
CREATE INDEX identity_conflict_standing ON identity_conflict (id) WHERE state <> 'settled';
CREATE INDEX identity_conflict_revision ON identity_conflict (revision);

-- Every piece of software ever seen anywhere, numbered densely from 1.
CREATE TABLE software (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL,
    name         TEXT NOT NULL,
    version      TEXT NOT NULL,
    architecture TEXT NOT NULL,
    publisher    TEXT NOT NULL,
    digest       TEXT NOT NULL UNIQUE -- of the five above: names may be longer than an index takes
);

-- All software of a machine, as one list of software.id.
CREATE TABLE software_set (
    ci         UUID NOT NULL,
    ids        INTEGER[] NOT NULL, -- software.id, ascending
    valid_from BIGINT NOT NULL,
    valid_to   BIGINT,
    revision   BIGINT NOT NULL,
    PRIMARY KEY (ci, revision)
);
CREATE UNIQUE INDEX software_set_current ON software_set (ci) WHERE valid_to IS NULL;
CREATE INDEX software_set_revision ON software_set (revision) WHERE valid_to IS NULL;
CREATE INDEX software_set_past ON software_set (valid_to) WHERE valid_to IS NOT NULL;

-- Which machine an agent reports.
CREATE TABLE agent_binding (
    agent      UUID NOT NULL,
    ci         UUID NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to   BIGINT,
    revision   BIGINT NOT NULL,
    PRIMARY KEY (agent, revision)
);
CREATE UNIQUE INDEX agent_binding_current ON agent_binding (agent) WHERE valid_to IS NULL;
CREATE INDEX agent_binding_revision ON agent_binding (revision) WHERE valid_to IS NULL;
CREATE INDEX agent_binding_past ON agent_binding (valid_to) WHERE valid_to IS NOT NULL;

CREATE TABLE enrollment_token (
    id             UUID PRIMARY KEY,
    secret_hash    TEXT NOT NULL, -- BLAKE3, hexadecimal
    name           TEXT NOT NULL,
    max_uses       BIGINT,
    uses           BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    revoked_at     BIGINT,
    needs_approval BOOLEAN NOT NULL,
    realm          TEXT NOT NULL,
    assigned       JSON NOT NULL, -- JSON: {attribute: value}
    created_by     TEXT NOT NULL,
    created_at     BIGINT NOT NULL
);
CREATE INDEX enrollment_token_created ON enrollment_token (created_at);

CREATE TABLE agent (
    id                     UUID PRIMARY KEY,
    state_reason           TEXT NOT NULL,
    token                  UUID NOT NULL REFERENCES enrollment_token (id),
    enroll_nonce           UUID NOT NULL,
    public_key             TEXT NOT NULL, -- SubjectPublicKeyInfo, DER, base64
    public_key_digest      TEXT NOT NULL,
    certificate_generation BIGINT NOT NULL, -- the newest issued; 0: none
    certificate_nonce      UUID,
    certificate_chain      TEXT,
    certificate_issued_at  BIGINT,
    certificate_not_after  BIGINT,
    hostname               TEXT NOT NULL,
    agent_version          TEXT NOT NULL,
    identity               JSON NOT NULL, -- JSON
    realm                  TEXT NOT NULL,
    assigned               JSON NOT NULL, -- JSON: {attribute: value}
    enrolled_at            BIGINT NOT NULL,
    UNIQUE (token, enroll_nonce, public_key_digest)
);
CREATE INDEX agent_enrolled ON agent (enrolled_at);

-- What changes with every check-in, and what a check-in is verified against: narrow, one row for each agent, with room
-- on each page so that an update needs no new index entry.
CREATE TABLE seen (
    agent         UUID PRIMARY KEY REFERENCES agent (id),
    state         TEXT NOT NULL,    -- pending, active, held, revoked, denied
    generation    BIGINT NOT NULL, -- of the certificate last used; 0: none yet
    counter       BIGINT NOT NULL, -- of the last answered exchange; 0: none yet
    nonce         UUID NOT NULL,
    root          TEXT NOT NULL,    -- digest over all sections
    last_seen     BIGINT,
    clock_skew_ms BIGINT NOT NULL
) WITH (fillfactor = 50);

-- Where the newest state of each section of an agent stands.
CREATE TABLE inventory (
    agent             UUID PRIMARY KEY REFERENCES agent (id),
    agent_version     TEXT NOT NULL,
    dropped_documents BIGINT NOT NULL,
    sections          JSON NOT NULL -- JSON: {name: {digest, document, status, collected_at, refused}}
);

-- Documents as received.
CREATE TABLE document (
    id          UUID PRIMARY KEY,
    agent       UUID NOT NULL,
    received_at BIGINT NOT NULL,
    body        BYTEA NOT NULL -- zstd-compressed JSON
);
CREATE INDEX document_received ON document (received_at, id);

-- The change feed.
CREATE TABLE event (
    cursor   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    kind     TEXT NOT NULL, -- ci, relationship, need_group, conflict, software, agent_binding
    action   TEXT NOT NULL, -- created, updated, retired
    subject  UUID NOT NULL,
    ci       UUID,
    other_ci UUID,
    actor    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    differs  JSON NOT NULL  -- JSON: [name]
);
CREATE INDEX event_ci ON event (ci, cursor);
CREATE INDEX event_other_ci ON event (other_ci, cursor) WHERE other_ci IS NOT NULL;

CREATE TABLE person (
    id            UUID PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL,
    disabled      BOOLEAN NOT NULL,
    created_at    BIGINT NOT NULL
);

CREATE TABLE session (
    secret_hash TEXT PRIMARY KEY,
    person      UUID NOT NULL REFERENCES person (id),
    csrf        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX session_person ON session (person);
CREATE INDEX session_expires ON session (expires_at);

CREATE TABLE api_token (
    id          UUID PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    person      UUID NOT NULL REFERENCES person (id),
    role        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    revoked_at  BIGINT
);
CREATE INDEX api_token_created ON api_token (created_at);

CREATE TABLE audit_log (
    number  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
);

-- One row for each configuration item as it is now, retired ones included.
CREATE VIEW configuration_item AS
SELECT
    ci.id, ci.class, ci.name, ci.lifecycle, ci.agent, ci.merged_into, ci.version,
    ci.attributes -> 'owner' -> 0 ->> 'value'         AS owner,
    ci.attributes -> 'location' -> 0 ->> 'value'      AS location,
    ci.attributes -> 'criticality' -> 0 ->> 'value'   AS criticality,
    ci.attributes -> 'description' -> 0 ->> 'value'   AS description,
    to_timestamp(ci.first_seen / 1000.0) AT TIME ZONE 'UTC'  AS first_seen_utc,
    to_timestamp(ci.valid_from / 1000.0) AT TIME ZONE 'UTC'  AS changed_utc,
    ci.attributes
FROM ci_version AS ci
WHERE ci.valid_to IS NULL;

-- One row for each machine that an agent reports and that is not retired.
CREATE VIEW machine AS
SELECT
    ci.id, ci.class, ci.name,
    ci.attributes -> 'owner' -> 0 ->> 'value'                    AS owner,
    ci.attributes -> 'location' -> 0 ->> 'value'                 AS location,
    ci.attributes -> 'hostname' -> 0 ->> 'value'                 AS hostname,
    ci.attributes -> 'manufacturer' -> 0 ->> 'value'             AS manufacturer,
    ci.attributes -> 'model' -> 0 ->> 'value'                    AS model,
    ci.attributes -> 'serial' -> 0 ->> 'value'                   AS serial,
    ci.attributes -> 'asset_tag' -> 0 ->> 'value'                AS asset_tag,
    ci.attributes -> 'operating_system' -> 0 ->> 'value'         AS operating_system,
    ci.attributes -> 'operating_system_version' -> 0 ->> 'value' AS operating_system_version,
    ci.attributes -> 'kernel' -> 0 ->> 'value'                   AS kernel,
    ci.attributes -> 'architecture' -> 0 ->> 'value'             AS architecture,
    ci.attributes -> 'cpu_model' -> 0 ->> 'value'                AS cpu_model,
    ci.attributes -> 'cpu_cores' -> 0 ->> 'value'                AS cpu_cores,
    ci.attributes -> 'memory_bytes' -> 0 ->> 'value'             AS memory_bytes,
    ci.attributes -> 'disk_bytes' -> 0 ->> 'value'               AS disk_bytes,
    ci.attributes -> 'ip_addresses' -> 0 ->> 'value'             AS ip_addresses,
    ci.agent,
    seen.state                                              AS agent_state,
    to_timestamp(seen.last_seen / 1000.0) AT TIME ZONE 'UTC'            AS last_seen_utc,
    to_timestamp(ci.first_seen / 1000.0) AT TIME ZONE 'UTC'             AS first_seen_utc
FROM ci_version AS ci
LEFT JOIN seen ON seen.agent = ci.agent
WHERE ci.valid_to IS NULL AND ci.lifecycle = 'active'
  AND ci.id IN (SELECT agent_binding.ci FROM agent_binding WHERE agent_binding.valid_to IS NULL);

-- One row for each piece of software on each machine, as it is now.
CREATE VIEW software_installation AS
SELECT
    ci.id AS ci, ci.name AS machine,
    software.id AS software, software.kind, software.name, software.version, software.architecture, software.publisher
FROM software_set
JOIN ci_version AS ci ON ci.id = software_set.ci AND ci.valid_to IS NULL
CROSS JOIN LATERAL unnest(software_set.ids) AS item (id)
JOIN software ON software.id = item.id
WHERE software_set.valid_to IS NULL AND ci.lifecycle = 'active';

-- One row for each relationship as it is now: "dependent_name kind dependency_name".
CREATE VIEW dependency AS
SELECT
    r.id, r.kind, r.hardness,
    r.from_ci AS dependent, dependent.name AS dependent_name, dependent.class AS dependent_class,
    r.to_ci AS dependency, dependency.name AS dependency_name, dependency.class AS dependency_class,
    to_timestamp(r.first_seen / 1000.0) AT TIME ZONE 'UTC' AS first_seen_utc,
    r.evidence
FROM relationship_version AS r
JOIN ci_version AS dependent ON dependent.id = r.from_ci AND dependent.valid_to IS NULL
JOIN ci_version AS dependency ON dependency.id = r.to_ci AND dependency.valid_to IS NULL
WHERE r.valid_to IS NULL AND r.lifecycle = 'active';

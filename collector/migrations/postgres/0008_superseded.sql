-- Inventories that newer ones replaced on the machine before the collector had them.
ALTER TABLE inventory ADD COLUMN superseded_inventories BIGINT NOT NULL DEFAULT 0;

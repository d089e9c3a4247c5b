-- Inventories that newer ones replaced on the machine before the collector had them.
ALTER TABLE inventory ADD COLUMN superseded_inventories INTEGER NOT NULL DEFAULT 0;

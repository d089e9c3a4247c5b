-- Whose inventories a token sends: addresses are compared within one network realm only.
ALTER TABLE api_token ADD COLUMN realm TEXT NOT NULL DEFAULT 'default';

-- +goose Up
-- One life of one node. Its leases count until they are given back, posted, or
-- the life is freed; no clock frees them. state: 0 lives, 1 ended, 2 freed.
CREATE TABLE lives (
  node BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  state BIGINT NOT NULL,
  PRIMARY KEY (node, generation)
);
INSERT INTO lives (node, generation, expires_ms, state)
  SELECT node, generation, MAX(expires_ms), 0 FROM leases GROUP BY node, generation;
DROP VIEW IF EXISTS ledger_leases;
ALTER TABLE leases DROP COLUMN expires_ms;
-- closed: the life will not ask for this limit again.
ALTER TABLE leases ADD COLUMN closed BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE leases DROP COLUMN closed;
ALTER TABLE leases ADD COLUMN expires_ms BIGINT NOT NULL DEFAULT 0;
DROP TABLE lives;

-- +goose Up
CREATE TABLE accounts (
  id BIGINT NOT NULL PRIMARY KEY,
  kind BIGINT NOT NULL,
  owner BIGINT NOT NULL,
  currency TEXT NOT NULL,
  debits_hi BIGINT NOT NULL,
  debits_lo BIGINT NOT NULL,
  credits_hi BIGINT NOT NULL,
  credits_lo BIGINT NOT NULL,
  UNIQUE (kind, owner, currency)
);

-- One row is one entry pair: the amount is debited from one account and
-- credited to another. Rows are never changed.
CREATE TABLE transfers (
  id BIGINT NOT NULL PRIMARY KEY,
  kind BIGINT NOT NULL,
  debit BIGINT NOT NULL REFERENCES accounts (id),
  credit BIGINT NOT NULL REFERENCES accounts (id),
  amount_hi BIGINT NOT NULL,
  amount_lo BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  request_key TEXT UNIQUE,
  note TEXT NOT NULL,
  owner BIGINT NOT NULL,
  batch BIGINT NOT NULL,
  campaign_id BIGINT NOT NULL,
  ad_group_id BIGINT NOT NULL,
  auction_second BIGINT NOT NULL,
  day BIGINT NOT NULL,
  events BIGINT NOT NULL
);
CREATE INDEX transfers_by_owner ON transfers (owner, id);

CREATE TABLE batches (
  id BIGINT NOT NULL PRIMARY KEY,
  stream TEXT NOT NULL,
  first_seq BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  pairs BIGINT NOT NULL,
  amount_hi BIGINT NOT NULL,
  amount_lo BIGINT NOT NULL
);

CREATE TABLE positions (
  stream TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL,
  through_ms BIGINT NOT NULL
);

CREATE TABLE spend (
  kind BIGINT NOT NULL,
  owner BIGINT NOT NULL,
  day BIGINT NOT NULL,
  spent_hi BIGINT NOT NULL,
  spent_lo BIGINT NOT NULL,
  events BIGINT NOT NULL,
  PRIMARY KEY (kind, day, owner)
);

CREATE TABLE leases (
  kind BIGINT NOT NULL,
  owner BIGINT NOT NULL,
  day BIGINT NOT NULL,
  node BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  granted_hi BIGINT NOT NULL,
  granted_lo BIGINT NOT NULL,
  spent_hi BIGINT NOT NULL,
  spent_lo BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  PRIMARY KEY (kind, day, owner, node, generation)
);
CREATE INDEX leases_by_life ON leases (node, generation);

CREATE TABLE ledger_counters (
  name TEXT NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
);

-- +goose Down
DROP TABLE ledger_counters;
DROP TABLE leases;
DROP TABLE spend;
DROP TABLE positions;
DROP TABLE batches;
DROP TABLE transfers;
DROP TABLE accounts;

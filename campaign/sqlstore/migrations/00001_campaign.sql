-- +goose Up
CREATE TABLE business_centers (
  id BIGINT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  version BIGINT NOT NULL,
  doc TEXT NOT NULL
);

CREATE TABLE advertisers (
  id BIGINT NOT NULL PRIMARY KEY,
  bc_id BIGINT NOT NULL,
  name TEXT NOT NULL,
  version BIGINT NOT NULL,
  doc TEXT NOT NULL
);
CREATE INDEX advertisers_by_bc ON advertisers (bc_id, id);

-- Campaigns, ad groups and ads. A campaign has campaign_id = id and
-- ad_group_id = 0, an ad group has ad_group_id = id.
CREATE TABLE objects (
  id BIGINT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  advertiser_id BIGINT NOT NULL REFERENCES advertisers (id),
  campaign_id BIGINT NOT NULL,
  ad_group_id BIGINT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  objective TEXT NOT NULL,
  version BIGINT NOT NULL,
  doc TEXT NOT NULL
);
CREATE INDEX objects_by_advertiser ON objects (advertiser_id, kind, id);
CREATE INDEX objects_by_campaign ON objects (campaign_id, kind, id);
CREATE INDEX objects_by_ad_group ON objects (ad_group_id, kind, id);

-- The change log. before_doc is empty for a create.
CREATE TABLE revisions (
  revision BIGINT NOT NULL PRIMARY KEY,
  at_ms BIGINT NOT NULL,
  actor TEXT NOT NULL,
  kind TEXT NOT NULL,
  object_id BIGINT NOT NULL,
  advertiser_id BIGINT NOT NULL,
  before_doc TEXT NOT NULL,
  after_doc TEXT NOT NULL
);
CREATE INDEX revisions_by_advertiser ON revisions (advertiser_id, revision);

-- Numbers that only rise: the last revision, the generation of each node.
CREATE TABLE counters (
  name TEXT NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
);

CREATE TABLE tokens (
  id BIGINT NOT NULL PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  scope TEXT NOT NULL,
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  advertiser_id BIGINT NOT NULL,
  bc_id BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  used_ms BIGINT NOT NULL,
  revoked_ms BIGINT NOT NULL
);
CREATE INDEX tokens_by_owner ON tokens (advertiser_id, bc_id, id);

CREATE TABLE answers (
  scope TEXT NOT NULL,
  request_key TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  status BIGINT NOT NULL,
  response TEXT NOT NULL,
  expires_ms BIGINT NOT NULL,
  PRIMARY KEY (scope, request_key)
);
CREATE INDEX answers_by_expiry ON answers (expires_ms);

-- +goose Down
DROP TABLE answers;
DROP TABLE tokens;
DROP TABLE counters;
DROP TABLE revisions;
DROP TABLE objects;
DROP TABLE advertisers;
DROP TABLE business_centers;

-- +goose Up
-- Who serves from this store. A number belongs to its owner for ever, because
-- tokens and the diary carry it. beat only rises while the node lives.
CREATE TABLE nodes (
  number BIGINT NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL UNIQUE,
  address TEXT NOT NULL,
  generation BIGINT NOT NULL,
  beat BIGINT NOT NULL,
  has_left BIGINT NOT NULL
);

-- +goose Down
DROP TABLE nodes;

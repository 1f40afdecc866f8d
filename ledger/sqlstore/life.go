package sqlstore

import (
	"context"
	"fmt"
	"time"

	"mazad/internal/sqldb"
	"mazad/ledger"

	"github.com/uptrace/bun"
)

// The states of a life; stored.
const (
	lifeGoesOn = iota
	lifeEnded  // a later one began, or it was closed: it gets nothing more
	lifeFreed  // and its leases count no more
)

type lifeRow struct {
	bun.BaseModel `bun:"table:lives,alias:v"`

	Node       int64 `bun:"node,pk"`
	Generation int64 `bun:"generation,pk"`
	ExpiresMS  int64 `bun:"expires_ms"`
	State      int64 `bun:"state"`
}

// BeginLife implements ledger.Store.
func (s *Store) BeginLife(ctx context.Context, node uint16, generation uint32, expires time.Time) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if _, err := living(ctx, tx, node, generation); err != nil {
			return err
		}
		_, err := tx.NewUpdate().Model((*lifeRow)(nil)).Set("state = ?", lifeEnded).Where("node = ?", int64(node)).
			Where("generation < ?", int64(generation)).Where("state = ?", lifeGoesOn).Exec(ctx)
		if err != nil {
			return fmt.Errorf("end the earlier lives of node %d: %w", node, err)
		}
		return setLife(ctx, tx, lifeRow{Node: int64(node), Generation: int64(generation), ExpiresMS: expires.UnixMilli()})
	})
}

// living finds a life that may act for its node: the newest one, not ended. One
// that the store has not heard of is begun.
func living(ctx context.Context, tx sqldb.Tx, node uint16, generation uint32) (lifeRow, error) {
	row := lifeRow{Node: int64(node), Generation: int64(generation)}
	var rows []lifeRow
	err := tx.NewSelect().Model(&rows).Where("node = ?", int64(node)).Where("generation >= ?", int64(generation)).
		Order("generation").Scan(ctx)
	switch {
	case err != nil:
		return row, fmt.Errorf("find life %d of node %d: %w", generation, node, err)
	case len(rows) == 0:
		return row, setLife(ctx, tx, row)
	case rows[len(rows)-1].Generation > int64(generation):
		return row, problem(ledger.ErrLifeOver, "generation", generation, "node %d is in life %d already", node, rows[len(rows)-1].Generation)
	case rows[0].State != lifeGoesOn:
		return row, problem(ledger.ErrLifeOver, "generation", generation, "this life of node %d was ended", node)
	}
	return rows[0], nil
}

func setLife(ctx context.Context, tx sqldb.Tx, row lifeRow) error {
	_, err := tx.NewInsert().Model(&row).On("CONFLICT (node, generation) DO UPDATE").Set("expires_ms = EXCLUDED.expires_ms").
		Set("state = EXCLUDED.state").Exec(ctx)
	if err != nil {
		return fmt.Errorf("note life %d of node %d: %w", row.Generation, row.Node, err)
	}
	return nil
}

// RenewLeases implements ledger.Store.
func (s *Store) RenewLeases(ctx context.Context, node uint16, generation uint32, expires time.Time) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		row, err := living(ctx, tx, node, generation)
		if err != nil {
			return err
		}
		row.ExpiresMS = expires.UnixMilli()
		return setLife(ctx, tx, row)
	})
}

// CloseGeneration implements ledger.Store.
func (s *Store) CloseGeneration(ctx context.Context, node uint16, generation uint32, expires time.Time) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		row, err := living(ctx, tx, node, generation)
		if err != nil {
			return err
		}
		row.ExpiresMS, row.State = expires.UnixMilli(), lifeEnded
		return setLife(ctx, tx, row)
	})
}

// Lives implements ledger.Store.
func (s *Store) Lives(ctx context.Context) (out []ledger.Life, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var rows []lifeRow
		err := tx.NewSelect().Model(&rows).Order("node", "generation").Scan(ctx)
		for _, r := range rows {
			out = append(out, ledger.Life{Node: uint16(r.Node), Generation: uint32(r.Generation), ExpiresAt: fromMS(r.ExpiresMS),
				Over: r.State != lifeGoesOn, Freed: r.State == lifeFreed})
		}
		return err
	})
	return out, err
}

// FreeLives implements ledger.Store.
func (s *Store) FreeLives(ctx context.Context, node uint16, newest uint32) (n int, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		later, err := tx.NewSelect().Model((*lifeRow)(nil)).Where("node = ?", int64(node)).Where("generation > ?", int64(newest)).Count(ctx)
		if err != nil {
			return fmt.Errorf("look for a later life of node %d: %w", node, err)
		}
		if later > 0 {
			return problem(ledger.ErrLifeOver, "generation", newest, "node %d has begun a later life", node)
		}
		_, err = tx.NewUpdate().Model((*lifeRow)(nil)).Set("state = ?", lifeFreed).Where("node = ?", int64(node)).Exec(ctx)
		if err != nil {
			return fmt.Errorf("free the lives of node %d: %w", node, err)
		}
		res, err := tx.NewDelete().Model((*leaseRow)(nil)).Where("node = ?", int64(node)).Exec(ctx)
		if err != nil {
			return fmt.Errorf("free the leases of node %d: %w", node, err)
		}
		gone, err := res.RowsAffected()
		n = int(gone)
		return err
	})
	return n, err
}

// PruneLeases implements ledger.Store.
func (s *Store) PruneLeases(ctx context.Context) (n int, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		res, err := tx.NewDelete().Model((*leaseRow)(nil)).Where("granted_hi = spent_hi").Where("granted_lo = spent_lo").
			Where("closed = 1 OR NOT EXISTS (SELECT 1 FROM lives AS v WHERE v.node = l.node AND v.generation = l.generation AND v.state = ?)", lifeGoesOn).Exec(ctx)
		if err != nil {
			return fmt.Errorf("delete settled leases: %w", err)
		}
		gone, err := res.RowsAffected()
		n = int(gone)
		if err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*lifeRow)(nil)).Where("state <> ?", lifeGoesOn).
			Where("EXISTS (SELECT 1 FROM lives AS later WHERE later.node = v.node AND later.generation > v.generation)").
			Where("NOT EXISTS (SELECT 1 FROM leases AS l WHERE l.node = v.node AND l.generation = v.generation)").Exec(ctx)
		if err != nil {
			return fmt.Errorf("delete past lives: %w", err)
		}
		return nil
	})
	return n, err
}

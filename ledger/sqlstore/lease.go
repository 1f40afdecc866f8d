package sqlstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"mazad/internal/money"
	"mazad/internal/sqldb"
	"mazad/ledger"

	"github.com/uptrace/bun"
)

// GrantLeases implements ledger.Store.
func (s *Store) GrantLeases(ctx context.Context, node uint16, generation uint32, expires time.Time, asks []ledger.LeaseAsk) (out []ledger.Grant, err error) {
	limits, err := checkAsks(asks)
	if err != nil {
		return nil, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		g := granting{node: int64(node), generation: int64(generation), expiresMS: expires.UnixMilli()}
		if err := g.read(ctx, tx, limits); err != nil {
			return err
		}
		out = make([]ledger.Grant, len(asks))
		changed := make([]leaseRow, 0, len(asks))
		for i, a := range asks {
			var row leaseRow
			out[i], row = g.grant(a)
			if row.Granted != (sum{}) || row.ExpiresMS != 0 {
				changed = append(changed, row)
			}
		}
		return saveLeases(ctx, tx, changed)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func checkAsks(asks []ledger.LeaseAsk) ([]ledger.Limit, error) {
	if len(asks) > ledger.MaxLeases {
		return nil, problem(ledger.ErrInvalid, "leases", len(asks), "must be at most %d", ledger.MaxLeases)
	}
	limits := make([]ledger.Limit, len(asks))
	seen := make(map[ledger.Limit]bool, len(asks))
	for i, a := range asks {
		if err := checkLimit(fmt.Sprintf("leases[%d]", i), a.Limit); err != nil {
			return nil, err
		}
		if seen[a.Limit] {
			return nil, problem(ledger.ErrInvalid, fmt.Sprintf("leases[%d]", i), a.Limit.Kind, "names the same limit again")
		}
		if a.Want.Sign() < 0 || a.Ceiling.Sign() < 0 {
			return nil, problem(ledger.ErrInvalid, fmt.Sprintf("leases[%d]", i), a.Want, "and the limit must not be negative")
		}
		seen[a.Limit] = true
		limits[i] = a.Limit
	}
	return limits, nil
}

func checkLimit(field string, l ledger.Limit) error {
	if l.Kind < ledger.AdGroupDay || l.Kind > ledger.WalletLimit || l.Owner <= 0 {
		return problem(ledger.ErrInvalid, field, uint8(l.Kind), "is not a limit")
	}
	if l.Kind.Daily() != (l.Day != 0) {
		return problem(ledger.ErrInvalid, field+".day", l.Day, "must be yyyymmdd for a daily limit and 0 for another")
	}
	return nil
}

// granting is one call of GrantLeases.
type granting struct {
	node, generation int64
	expiresMS        int64
	throughMS        int64
	spend            map[ledger.Limit]spendRow
	leases           map[ledger.Limit][]leaseRow
	funded           map[int64]money.Sum // of wallets
}

func (g *granting) read(ctx context.Context, tx sqldb.Tx, limits []ledger.Limit) (err error) {
	if g.throughMS, err = through(ctx, tx); err != nil {
		return err
	}
	if g.spend, err = spendOf(ctx, tx, limits); err != nil {
		return err
	}
	if g.leases, err = leasesOf(ctx, tx, limits); err != nil {
		return err
	}
	var wallets []int64
	for _, l := range limits {
		if l.Kind == ledger.WalletLimit {
			wallets = append(wallets, l.Owner)
		}
	}
	g.funded = make(map[int64]money.Sum, len(wallets))
	return chunks(wallets, func(part []int64) error {
		var rows []accountRow
		err := tx.NewSelect().Model(&rows).Where("kind = ?", int64(ledger.Wallet)).Where("owner IN (?)", bun.List(part)).Scan(ctx)
		for i := range rows {
			// What is left and what was spent: refunds and corrections are out of it.
			spent := g.spend[ledger.Limit{Kind: ledger.WalletLimit, Owner: rows[i].Owner}]
			g.funded[rows[i].Owner] = rows[i].balance().Left().Add(spent.Spent.money())
		}
		return err
	})
}

// grant decides one ask. The row is to be written unless it is zero.
func (g *granting) grant(a ledger.LeaseAsk) (ledger.Grant, leaseRow) {
	own := leaseRow{Kind: int64(a.Limit.Kind), Owner: a.Limit.Owner, Day: a.Limit.Day, Node: g.node, Generation: g.generation}
	spent := g.spend[a.Limit]
	out := ledger.Grant{Ceiling: a.Ceiling, Spend: spent.Spent.money()}
	if a.Limit.Kind == ledger.WalletLimit {
		out.Ceiling = g.funded[a.Limit.Owner]
	}
	left := out.Ceiling.Sub(out.Spend)
	for _, l := range g.leases[a.Limit] {
		outstanding := l.lease().Outstanding()
		expired := l.ExpiresMS <= g.throughMS
		if l.Node == g.node && l.Generation == g.generation {
			own = l
			if expired { // what was not billed in time is void, it may be somebody else's by now
				own.Granted = sumOf(l.Granted.money().Sub(outstanding))
				continue
			}
		}
		if !expired {
			left = left.Sub(outstanding)
		}
	}
	if out.Added = a.Want; left.Cmp(a.Want) < 0 {
		out.Added = left
	}
	if out.Added.Sign() < 0 {
		out.Added = money.Sum{}
	}
	own.Granted.add(out.Added)
	if out.Added.Sign() > 0 || own.ExpiresMS != 0 {
		own.ExpiresMS = max(own.ExpiresMS, g.expiresMS)
	}
	if left = left.Sub(out.Added); left.Sign() > 0 {
		out.Left = left
	}
	out.Lease = own.lease()
	return out, own
}

// leasesOf reads all leases of limits, expired ones too.
func leasesOf(ctx context.Context, tx sqldb.Tx, limits []ledger.Limit) (map[ledger.Limit][]leaseRow, error) {
	out := make(map[ledger.Limit][]leaseRow, len(limits))
	for at, owners := range byPlace(limits) {
		err := chunks(owners, func(part []int64) error {
			var rows []leaseRow
			err := tx.NewSelect().Model(&rows).Where("kind = ?", int64(at.Kind)).Where("day = ?", at.Day).Where("owner IN (?)", bun.List(part)).Scan(ctx)
			for _, r := range rows {
				out[r.limit()] = append(out[r.limit()], r)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read leases: %w", err)
		}
	}
	return out, nil
}

func saveLeases(ctx context.Context, tx sqldb.Tx, rows []leaseRow) error {
	return chunks(rows, func(part []leaseRow) error {
		_, err := tx.NewInsert().Model(&part).On("CONFLICT (kind, day, owner, node, generation) DO UPDATE").
			Set("granted_hi = EXCLUDED.granted_hi").Set("granted_lo = EXCLUDED.granted_lo").
			Set("spent_hi = EXCLUDED.spent_hi").Set("spent_lo = EXCLUDED.spent_lo").Set("expires_ms = EXCLUDED.expires_ms").Exec(ctx)
		if err != nil {
			return fmt.Errorf("write leases: %w", err)
		}
		return nil
	})
}

// useLeases moves what a batch billed from outstanding to spent. A limit that
// nobody leased is not limited.
func (f *fold) useLeases(ctx context.Context, tx sqldb.Tx) error {
	limits := make([]ledger.Limit, 0, len(f.limits))
	for l := range f.limits {
		limits = append(limits, l)
	}
	leases, err := leasesOf(ctx, tx, limits)
	if err != nil {
		return err
	}
	var changed []leaseRow
	for l, rows := range leases {
		for _, r := range rows {
			if used, ok := f.lives[life{l, uint16(r.Node), uint32(r.Generation)}]; ok {
				r.Spent.add(used)
				changed = append(changed, r)
			}
		}
	}
	return saveLeases(ctx, tx, changed)
}

// ReturnLeases implements ledger.Store.
func (s *Store) ReturnLeases(ctx context.Context, node uint16, generation uint32, back []ledger.LeaseReturn) error {
	asks := make([]ledger.LeaseAsk, len(back))
	for i, b := range back {
		asks[i] = ledger.LeaseAsk{Limit: b.Limit, Want: b.Amount}
	}
	limits, err := checkAsks(asks)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		leases, err := leasesOf(ctx, tx, limits)
		if err != nil {
			return err
		}
		var changed []leaseRow
		for i, b := range back {
			var own *leaseRow
			rows := leases[b.Limit]
			for j := range rows {
				if rows[j].Node == int64(node) && rows[j].Generation == int64(generation) {
					own = &rows[j]
				}
			}
			field := fmt.Sprintf("leases[%d]", i)
			if own == nil {
				return problem(ledger.ErrNotFound, field, b.Limit.Kind, "node %d has no such lease in generation %d", node, generation)
			}
			if left := own.lease().Outstanding(); b.Amount.Cmp(left) > 0 {
				return problem(ledger.ErrInvalid, field+".amount", b.Amount, "must be 0 to %s, what is outstanding", left)
			}
			own.Granted = sumOf(own.Granted.money().Sub(b.Amount))
			changed = append(changed, *own)
		}
		return saveLeases(ctx, tx, changed)
	})
}

// RenewLeases implements ledger.Store.
func (s *Store) RenewLeases(ctx context.Context, node uint16, generation uint32, expires time.Time) error {
	return s.expire(ctx, node, generation, expires, expires.UnixMilli())
}

// CloseGeneration implements ledger.Store.
func (s *Store) CloseGeneration(ctx context.Context, node uint16, generation uint32, expires time.Time) error {
	return s.expire(ctx, node, generation, expires, math.MaxInt64)
}

// expire sets the expiry of a life's leases that expire before `below` and are
// not used up. A lease that was freed stays so.
func (s *Store) expire(ctx context.Context, node uint16, generation uint32, expires time.Time, below int64) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		freed, err := through(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model((*leaseRow)(nil)).Set("expires_ms = ?", expires.UnixMilli()).
			Where("node = ?", int64(node)).Where("generation = ?", int64(generation)).
			Where("expires_ms > ?", freed).Where("expires_ms < ?", below).
			Where("granted_hi <> spent_hi OR granted_lo <> spent_lo").Exec(ctx) // what is settled may go
		if err != nil {
			return fmt.Errorf("set the expiry of leases: %w", err)
		}
		return nil
	})
}

// Leases implements ledger.Store.
func (s *Store) Leases(ctx context.Context) (out []ledger.Lease, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		freed, err := through(ctx, tx)
		if err != nil {
			return err
		}
		var rows []leaseRow
		err = tx.NewSelect().Model(&rows).Where("expires_ms > ?", freed).OrderExpr("kind, day, owner, node, generation").Scan(ctx)
		for i := range rows {
			out = append(out, rows[i].lease())
		}
		return err
	})
	return out, err
}

// PruneLeases implements ledger.Store.
func (s *Store) PruneLeases(ctx context.Context) (n int, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		freed, err := through(ctx, tx)
		if err != nil {
			return err
		}
		res, err := tx.NewDelete().Model((*leaseRow)(nil)).Where("expires_ms <= ?", freed).Exec(ctx)
		if err != nil {
			return fmt.Errorf("delete leases: %w", err)
		}
		gone, err := res.RowsAffected()
		n = int(gone)
		return err
	})
	return n, err
}

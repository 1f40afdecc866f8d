package sqlstore

import (
	"context"
	"fmt"
	"slices"

	"mazad/internal/money"
	"mazad/internal/sqldb"
	"mazad/ledger"

	"github.com/uptrace/bun"
)

// GrantLeases implements ledger.Store.
func (s *Store) GrantLeases(ctx context.Context, node uint16, generation uint32, asks []ledger.LeaseAsk) (out []ledger.Grant, err error) {
	limits, err := checkAsks(asks)
	if err != nil {
		return nil, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if _, err := living(ctx, tx, node, generation); err != nil {
			return err
		}
		g := granting{node: int64(node), generation: int64(generation)}
		if err := g.read(ctx, tx, limits); err != nil {
			return err
		}
		out = make([]ledger.Grant, len(asks))
		changed := make([]leaseRow, 0, len(asks))
		for i, a := range asks {
			var row leaseRow
			if out[i], row = g.grant(a); out[i].Added.Sign() > 0 {
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
	if l.Kind < ledger.AdGroupDay || l.Kind > ledger.CampaignWeek || l.Owner <= 0 {
		return problem(ledger.ErrInvalid, field, uint8(l.Kind), "is not a limit")
	}
	if l.Kind.Recurs() != (l.Day != 0) {
		return problem(ledger.ErrInvalid, field+".day", l.Day, "must be yyyymmdd for a daily or weekly limit and 0 for another")
	}
	if l.Kind.Weekly() && ledger.WeekOf(l.Day) != l.Day {
		return problem(ledger.ErrInvalid, field+".day", l.Day, "must be the Monday of the week, %d", ledger.WeekOf(l.Day))
	}
	return nil
}

// granting is one call of GrantLeases.
type granting struct {
	node, generation int64
	spend            map[ledger.Limit]spendRow
	leases           map[ledger.Limit][]leaseRow
	funded           map[int64]money.Sum // of wallets
}

func (g *granting) read(ctx context.Context, tx sqldb.Tx, limits []ledger.Limit) (err error) {
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

// grant decides one ask; the row is to be written when something was added.
func (g *granting) grant(a ledger.LeaseAsk) (ledger.Grant, leaseRow) {
	own := leaseRow{Kind: int64(a.Limit.Kind), Owner: a.Limit.Owner, Day: a.Limit.Day, Node: g.node, Generation: g.generation}
	spent := g.spend[a.Limit]
	out := ledger.Grant{Ceiling: a.Ceiling, Spend: spent.Spent.money()}
	if a.Limit.Kind == ledger.WalletLimit {
		out.Ceiling = g.funded[a.Limit.Owner]
	}
	left := out.Ceiling.Sub(out.Spend)
	for _, l := range g.leases[a.Limit] {
		left = left.Sub(l.lease().Outstanding())
		if l.Node == g.node && l.Generation == g.generation {
			own = l
		}
	}
	if own.Closed == 1 {
		// The life counts anew, from nothing: not before the old account is settled.
		if own.lease().Outstanding().Sign() > 0 {
			out.Lease = ledger.Lease{Limit: a.Limit, Node: uint16(g.node), Generation: uint32(g.generation)}
			return out, own
		}
		own.Granted, own.Spent, own.Closed = sum{}, sum{}, 0
	}
	if out.Added = a.Want; left.Cmp(a.Want) < 0 {
		out.Added = left
	}
	if out.Added.Sign() < 0 {
		out.Added = money.Sum{}
	}
	own.Granted.add(out.Added)
	if left = left.Sub(out.Added); left.Sign() > 0 {
		out.Left = left
	}
	out.Lease = own.lease()
	return out, own
}

// leasesOf reads all leases of limits, of every life.
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
			Set("spent_hi = EXCLUDED.spent_hi").Set("spent_lo = EXCLUDED.spent_lo").Set("closed = EXCLUDED.closed").Exec(ctx)
		if err != nil {
			return fmt.Errorf("write leases: %w", err)
		}
		return nil
	})
}

// useLeases moves what a batch billed from outstanding to spent. A limit that
// nobody leased is not limited.
func (f *fold) useLeases(ctx context.Context, tx sqldb.Tx) error {
	seen := make(map[ledger.Limit]bool, len(f.lives))
	limits := make([]ledger.Limit, 0, len(f.lives))
	for at := range f.lives {
		if !seen[at.limit] {
			seen[at.limit] = true
			limits = append(limits, at.limit)
		}
	}
	slices.SortFunc(limits, compareLimits)
	leases, err := leasesOf(ctx, tx, limits)
	if err != nil {
		return err
	}
	var changed []leaseRow
	for _, l := range limits {
		for _, r := range leases[l] {
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
		asks[i] = ledger.LeaseAsk{Limit: b.Limit, Want: b.Granted}
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
			for _, r := range leases[b.Limit] {
				if r.Node != int64(node) || r.Generation != int64(generation) {
					continue
				}
				was := r
				if b.Granted.Cmp(r.Spent.money()) < 0 {
					return problem(ledger.ErrInvalid, fmt.Sprintf("leases[%d].granted", i), b.Granted, "must be at least %s, what was posted of it", r.Spent.money())
				}
				if b.Granted.Cmp(r.Granted.money()) < 0 {
					r.Granted = sumOf(b.Granted)
				}
				if b.Closed {
					r.Closed = 1
				}
				if r != was {
					changed = append(changed, r)
				}
			}
		}
		return saveLeases(ctx, tx, changed)
	})
}

// Leases implements ledger.Store.
func (s *Store) Leases(ctx context.Context, node uint16) (out []ledger.Lease, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var lives []lifeRow
		if err := tx.NewSelect().Model(&lives).Where("node = ?", int64(node)).Scan(ctx); err != nil {
			return fmt.Errorf("read lives: %w", err)
		}
		expires := make(map[int64]int64, len(lives))
		for _, v := range lives {
			expires[v.Generation] = v.ExpiresMS
		}
		var rows []leaseRow
		err := tx.NewSelect().Model(&rows).Where("node = ?", int64(node)).Where("granted_hi <> spent_hi OR granted_lo <> spent_lo").
			OrderExpr("kind, day, owner, generation").Scan(ctx)
		for i := range rows {
			l := rows[i].lease()
			l.ExpiresAt = fromMS(expires[rows[i].Generation])
			out = append(out, l)
		}
		return err
	})
	return out, err
}

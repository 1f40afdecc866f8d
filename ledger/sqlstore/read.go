package sqlstore

import (
	"context"
	"fmt"
	"sort"

	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/internal/sqldb"
	"mazad/ledger"

	"github.com/uptrace/bun"
)

// Wallet implements ledger.Store.
func (s *Store) Wallet(ctx context.Context, adv id.Advertiser) (ledger.Balance, error) {
	all, err := s.Balances(ctx, adv)
	if err != nil {
		return ledger.Balance{}, err
	}
	if len(all) == 0 {
		return ledger.Balance{}, problem(ledger.ErrNotFound, "advertiser_id", adv, "has no wallet")
	}
	return all[0], nil
}

// Balances implements ledger.Store.
func (s *Store) Balances(ctx context.Context, advs ...id.Advertiser) (out []ledger.Balance, err error) {
	read := func(sel *bun.SelectQuery, rows *[]accountRow) error {
		if err := sel.OrderExpr("id").Scan(ctx); err != nil {
			return fmt.Errorf("read balances: %w", err)
		}
		for i := range *rows {
			out = append(out, (*rows)[i].balance())
		}
		return nil
	}
	err = s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if len(advs) == 0 {
			var rows []accountRow
			return read(tx.NewSelect().Model(&rows), &rows)
		}
		return chunks(advs, func(part []id.Advertiser) error {
			var rows []accountRow
			return read(tx.NewSelect().Model(&rows).Where("kind = ?", int64(ledger.Wallet)).Where("owner IN (?)", bun.List(part)), &rows)
		})
	})
	return out, err
}

// History implements ledger.Store.
func (s *Store) History(ctx context.Context, adv id.Advertiser, q ledger.HistoryQuery) (out ledger.History, err error) {
	page, size := max(q.Page, 1), q.PageSize
	if size == 0 {
		size = 10
	}
	if q.Page < 0 || page > 1_000_000 {
		return out, problem(ledger.ErrInvalid, "page", q.Page, "must be 1 to 1000000")
	}
	if size < 0 || size > ledger.MaxPageSize {
		return out, problem(ledger.ErrInvalid, "page_size", size, "must be 1 to %d", ledger.MaxPageSize)
	}
	err = s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var rows []transferRow
		sel := tx.NewSelect().Model(&rows).Where("owner = ?", int64(adv))
		if len(q.Kinds) > 0 {
			kinds := make([]int64, len(q.Kinds))
			for i, k := range q.Kinds {
				kinds[i] = int64(k)
			}
			sel = sel.Where("kind IN (?)", bun.List(kinds))
		}
		if !q.From.IsZero() {
			sel = sel.Where("at_ms >= ?", q.From.UnixMilli())
		}
		if !q.To.IsZero() {
			sel = sel.Where("at_ms < ?", q.To.UnixMilli())
		}
		n, err := sel.OrderExpr("id DESC").Limit(int64(size)).Offset(int64(page-1) * int64(size)).ScanAndCount(ctx)
		if err != nil {
			return fmt.Errorf("read the history of advertiser %d: %w", adv, err)
		}
		out.Total = int(n)
		out.List, err = withAccounts(ctx, tx, rows)
		return err
	})
	return out, err
}

// Position implements ledger.Store.
func (s *Store) Position(ctx context.Context, stream string) (p ledger.Position, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		row, err := position(ctx, tx, stream)
		p = ledger.Position{Seq: uint64(row.Seq), Through: fromMS(row.ThroughMS)}
		return err
	})
	return p, err
}

// Spend implements ledger.Store.
func (s *Store) Spend(ctx context.Context, q ledger.SpendQuery) (out []ledger.LimitSpend, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if q.Limits != nil {
			totals, err := spendOf(ctx, tx, q.Limits)
			for _, l := range q.Limits {
				r := totals[l]
				out = append(out, ledger.LimitSpend{Limit: l, Spent: r.Spent.money(), Count: r.Count})
			}
			return err
		}
		var rows []spendRow
		sel := tx.NewSelect().Model(&rows).Where("day = 0 OR day >= ?", q.FromDay)
		if len(q.Kinds) > 0 {
			kinds := make([]int64, len(q.Kinds))
			for i, k := range q.Kinds {
				kinds[i] = int64(k)
			}
			sel = sel.Where("kind IN (?)", bun.List(kinds))
		}
		err := sel.OrderExpr("kind, day, owner").Scan(ctx)
		for i := range rows {
			out = append(out, ledger.LimitSpend{Limit: rows[i].limit(), Spent: rows[i].Spent.money(), Count: rows[i].Count})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read spend: %w", err)
	}
	return out, nil
}

// Trial implements ledger.Store.
func (s *Store) Trial(ctx context.Context) (t ledger.Trial, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var accounts []accountRow
		if err := tx.NewSelect().Model(&accounts).OrderExpr("id").Scan(ctx); err != nil {
			return err
		}
		var stored []spendRow
		if err := tx.NewSelect().Model(&stored).Scan(ctx); err != nil {
			return err
		}
		a := &audit{accounts: map[int64]*accountRow{}, spend: map[ledger.Limit]*spendRow{}}
		if err := a.read(ctx, tx, &t); err != nil {
			return err
		}
		a.compare(accounts, stored, &t)
		return nil
	})
	if err != nil {
		return ledger.Trial{}, fmt.Errorf("read the books: %w", err)
	}
	return t, nil
}

// audit is what the transfers say, apart from what was kept beside them.
type audit struct {
	accounts map[int64]*accountRow
	spend    map[ledger.Limit]*spendRow
}

func (a *audit) read(ctx context.Context, tx sqldb.Tx, t *ledger.Trial) error {
	rows, err := tx.QueryContext(ctx, `SELECT kind, debit, credit, amount_hi, amount_lo, owner, campaign_id, ad_group_id, day, events
		FROM transfers ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r transferRow
		if err := rows.Scan(&r.Kind, &r.Debit, &r.Credit, &r.Amount.Hi, &r.Amount.Lo, &r.Owner, &r.Campaign, &r.AdGroup, &r.Day, &r.Count); err != nil {
			return err
		}
		t.Transfers++
		a.account(r.Debit).Debits.add(r.Amount.money())
		a.account(r.Credit).Credits.add(r.Amount.money())
		if r.Amount.money().Sign() <= 0 {
			t.Problems = append(t.Problems, fmt.Sprintf("a transfer from account %d to %d moves %s", r.Debit, r.Credit, r.Amount.money()))
		}
		if ledger.TransferKind(r.Kind) == ledger.Spending {
			for _, l := range limitsOf(r.Owner, r.Campaign, r.AdGroup, r.Day) {
				total := a.spend[l]
				if total == nil {
					total = &spendRow{}
					a.spend[l] = total
				}
				total.Spent.add(r.Amount.money())
				total.Count += r.Count
			}
		}
	}
	return rows.Err()
}

func (a *audit) account(n int64) *accountRow {
	r := a.accounts[n]
	if r == nil {
		r = &accountRow{ID: n}
		a.accounts[n] = r
	}
	return r
}

func (a *audit) compare(accounts []accountRow, stored []spendRow, t *ledger.Trial) {
	totals := map[money.Currency]*ledger.CurrencyTrial{}
	for i := range accounts {
		b := accounts[i].balance()
		said := a.account(accounts[i].ID)
		if said.Debits != accounts[i].Debits || said.Credits != accounts[i].Credits {
			t.Problems = append(t.Problems, fmt.Sprintf("the %s account of %d has debits %s and credits %s, its transfers add up to %s and %s",
				b.Kind, b.Owner, b.Debits, b.Credits, said.Debits.money(), said.Credits.money()))
		}
		delete(a.accounts, accounts[i].ID)
		if b.Kind == ledger.Wallet && b.Left().Sign() < 0 {
			t.Overdrawn = append(t.Overdrawn, b)
		}
		c := totals[b.Currency]
		if c == nil {
			c = &ledger.CurrencyTrial{Currency: b.Currency}
			totals[b.Currency] = c
		}
		c.Debits, c.Credits = c.Debits.Add(b.Debits), c.Credits.Add(b.Credits)
	}
	for n := range a.accounts {
		t.Problems = append(t.Problems, fmt.Sprintf("transfers name account %d, which does not exist", n))
	}
	for _, c := range totals {
		t.Currencies = append(t.Currencies, *c)
		if c.Debits != c.Credits {
			t.Problems = append(t.Problems, fmt.Sprintf("%s: debits %s differ from credits %s", c.Currency, c.Debits, c.Credits))
		}
	}
	sort.Slice(t.Currencies, func(i, j int) bool { return t.Currencies[i].Currency < t.Currencies[j].Currency })
	for i := range stored {
		said := a.spend[stored[i].limit()]
		if said == nil || said.Spent != stored[i].Spent || said.Count != stored[i].Count {
			t.Problems = append(t.Problems, fmt.Sprintf("spend of the %s limit of %d, day %d, is %s, its transfers say otherwise",
				stored[i].limit().Kind, stored[i].Owner, stored[i].Day, stored[i].Spent.money()))
		}
		delete(a.spend, stored[i].limit())
	}
	for l := range a.spend {
		t.Problems = append(t.Problems, fmt.Sprintf("spend of the %s limit of %d, day %d, is missing", l.Kind, l.Owner, l.Day))
	}
}

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"mazad/internal/failpoint"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/internal/sqldb"
	"mazad/ledger"

	"github.com/uptrace/bun"
)

// bookedNotMoved is where a test ends the process: entries are written, the
// position of the stream is not.
var bookedNotMoved = failpoint.New("ledger.booked-not-moved")

// PostSpend implements ledger.Store.
func (s *Store) PostSpend(ctx context.Context, b ledger.SpendBatch) (out ledger.Posted, err error) {
	if err := checkBatch(&b); err != nil {
		return out, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		out = ledger.Posted{}
		pos, err := position(ctx, tx, b.Stream)
		if err != nil {
			return err
		}
		switch {
		case b.LastSeq <= uint64(pos.Seq):
			out.Replayed = true
			return advance(ctx, tx, pos, uint64(pos.Seq), b.Through)
		case b.FirstSeq != uint64(pos.Seq)+1:
			return &ledger.SequenceError{Stream: b.Stream, Position: uint64(pos.Seq), First: b.FirstSeq, Last: b.LastSeq}
		}
		if err := s.book(ctx, tx, &b, &out); err != nil {
			return err
		}
		bookedNotMoved.Hit()
		return advance(ctx, tx, pos, b.LastSeq, b.Through)
	})
	if err != nil {
		return ledger.Posted{}, err
	}
	return out, nil
}

func checkBatch(b *ledger.SpendBatch) error {
	switch {
	case b.Stream == "" || len(b.Stream) > ledger.MaxStream:
		return problem(ledger.ErrInvalid, "stream", fmt.Sprintf("%q", b.Stream), "must have 1 to %d bytes", ledger.MaxStream)
	case b.FirstSeq == 0 || b.FirstSeq > b.LastSeq || b.LastSeq > math.MaxInt64:
		return problem(ledger.ErrInvalid, "first_seq", b.FirstSeq, "must be 1 to last_seq %d", b.LastSeq)
	case len(b.Rows) > ledger.MaxBatchRows:
		return problem(ledger.ErrInvalid, "rows", len(b.Rows), "must be at most %d", ledger.MaxBatchRows)
	}
	for i, r := range b.Rows {
		field := fmt.Sprintf("rows[%d]", i)
		switch {
		case r.Advertiser <= 0 || r.Campaign <= 0 || r.AdGroup <= 0:
			return problem(ledger.ErrInvalid, field, r.AdGroup, "must name advertiser, campaign and ad group")
		case r.Amount.Sign() < 0 || r.Count < 0:
			return problem(ledger.ErrInvalid, field+".amount", r.Amount, "and count must not be negative")
		case r.Day < 2000_01_01 || r.Day > 2999_12_31:
			return problem(ledger.ErrInvalid, field+".day", r.Day, "must be yyyymmdd")
		}
	}
	return nil
}

// pair is what becomes one entry pair.
type pair struct {
	advertiser id.Advertiser
	campaign   id.Campaign
	adGroup    id.AdGroup
	second     int64
	day        int32
}

// life is one limit as one life of one node uses it.
type life struct {
	limit      ledger.Limit
	node       uint16
	generation uint32
}

// total is an amount with its number of billed events.
type total struct {
	amount money.Sum
	count  int64
}

func (t total) plus(r *ledger.SpendRow) total {
	return total{t.amount.Add(r.Amount), t.count + r.Count}
}

// fold is a batch added up in every way that is kept.
type fold struct {
	pairs      []pair // in the order of first appearance
	amounts    map[pair]total
	limits     map[ledger.Limit]total
	lives      map[life]money.Sum
	currency   map[id.Advertiser]money.Currency
	wallets    map[id.Advertiser]money.Sum
	currencies map[money.Currency]money.Sum
}

func foldBatch(b *ledger.SpendBatch) (*fold, error) {
	f := &fold{amounts: map[pair]total{}, limits: map[ledger.Limit]total{}, lives: map[life]money.Sum{},
		currency: map[id.Advertiser]money.Currency{}, wallets: map[id.Advertiser]money.Sum{}, currencies: map[money.Currency]money.Sum{}}
	for i := range b.Rows {
		r := &b.Rows[i]
		if r.Amount.Sign() == 0 { // delivered free: not money
			continue
		}
		if c, ok := f.currency[r.Advertiser]; ok && c != r.Currency {
			return nil, problem(ledger.ErrConflict, fmt.Sprintf("rows[%d].currency", i), r.Currency, "advertiser %d is billed in %s in the same batch", r.Advertiser, c)
		}
		f.currency[r.Advertiser] = r.Currency
		p := pair{r.Advertiser, r.Campaign, r.AdGroup, r.Second, r.Day}
		if _, ok := f.amounts[p]; !ok {
			f.pairs = append(f.pairs, p)
		}
		f.amounts[p] = f.amounts[p].plus(r)
		f.wallets[r.Advertiser] = f.wallets[r.Advertiser].Add(r.Amount)
		f.currencies[r.Currency] = f.currencies[r.Currency].Add(r.Amount)
		for _, l := range limitsOf(int64(r.Advertiser), int64(r.Campaign), int64(r.AdGroup), r.Day) {
			f.limits[l] = f.limits[l].plus(r)
			f.use(l, r)
		}
		// The total of a week is that of its days.
		f.use(ledger.Limit{Kind: ledger.AdGroupWeek, Owner: int64(r.AdGroup), Day: ledger.WeekOf(r.Day)}, r)
		f.use(ledger.Limit{Kind: ledger.CampaignWeek, Owner: int64(r.Campaign), Day: ledger.WeekOf(r.Day)}, r)
	}
	return f, nil
}

func (f *fold) use(l ledger.Limit, r *ledger.SpendRow) {
	at := life{l, r.Node, r.Generation}
	f.lives[at] = f.lives[at].Add(r.Amount)
}

// limitsOf are the limits that an amount counts against.
func limitsOf(advertiser, campaign, adGroup int64, day int32) [6]ledger.Limit {
	return [6]ledger.Limit{
		{Kind: ledger.AdGroupDay, Owner: adGroup, Day: day}, {Kind: ledger.AdGroupLifetime, Owner: adGroup},
		{Kind: ledger.CampaignDay, Owner: campaign, Day: day}, {Kind: ledger.CampaignLifetime, Owner: campaign},
		{Kind: ledger.AdvertiserCap, Owner: advertiser}, {Kind: ledger.WalletLimit, Owner: advertiser},
	}
}

// book writes everything of a batch but the position.
func (s *Store) book(ctx context.Context, tx sqldb.Tx, b *ledger.SpendBatch, out *ledger.Posted) error {
	f, err := foldBatch(b)
	if err != nil {
		return err
	}
	if out.Batch, err = count(ctx, tx, "batch", 1); err != nil {
		return err
	}
	accounts, err := f.post(ctx, tx)
	if err != nil {
		return err
	}
	last, err := count(ctx, tx, "transfer", len(f.pairs))
	if err != nil {
		return err
	}
	now := s.clock.Now().UnixMilli()
	rows := make([]transferRow, len(f.pairs))
	for i, p := range f.pairs {
		t := f.amounts[p]
		out.Amount = out.Amount.Add(t.amount)
		rows[i] = transferRow{ID: last - int64(len(f.pairs)-1-i), Kind: int64(ledger.Spending), Debit: accounts[int64(p.advertiser)].ID,
			Credit: accounts[revenueOf(f.currency[p.advertiser])].ID, Amount: sumOf(t.amount), AtMS: now, Owner: int64(p.advertiser), Batch: out.Batch,
			Campaign: int64(p.campaign), AdGroup: int64(p.adGroup), Second: p.second, Day: p.day, Count: t.count}
	}
	out.Pairs = len(rows)
	err = chunks(rows, func(part []transferRow) error {
		_, err := tx.NewInsert().Model(&part).Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("post spend: %w", err)
	}
	if err := f.addSpend(ctx, tx); err != nil {
		return err
	}
	if err := f.useLeases(ctx, tx); err != nil {
		return err
	}
	batch := batchRow{ID: out.Batch, Stream: b.Stream, FirstSeq: int64(b.FirstSeq), LastSeq: int64(b.LastSeq), AtMS: now,
		Pairs: int64(len(rows)), Amount: sumOf(out.Amount)}
	if _, err := tx.NewInsert().Model(&batch).Exec(ctx); err != nil {
		return fmt.Errorf("note batch %d: %w", out.Batch, err)
	}
	return nil
}

// revenueOf keys the house's revenue account among advertisers' wallets: no id
// is negative.
func revenueOf(c money.Currency) int64 {
	return -(int64(c[0])<<16 | int64(c[1])<<8 | int64(c[2]))
}

// post updates the balances of wallets and revenue and returns the accounts.
func (f *fold) post(ctx context.Context, tx sqldb.Tx) (map[int64]*accountRow, error) {
	accounts := make(map[int64]*accountRow, len(f.wallets)+len(f.currencies))
	advs := make([]id.Advertiser, 0, len(f.wallets))
	for adv := range f.wallets {
		advs = append(advs, adv)
	}
	slices.Sort(advs)
	err := chunks(advs, func(part []id.Advertiser) error {
		var rows []accountRow
		err := tx.NewSelect().Model(&rows).Where("kind = ?", int64(ledger.Wallet)).Where("owner IN (?)", bun.List(part)).Scan(ctx)
		for i := range rows {
			accounts[rows[i].Owner] = &rows[i]
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find wallets: %w", err)
	}
	var touched []accountRow
	for _, adv := range advs {
		row := accounts[int64(adv)]
		if row == nil || row.Currency != string(f.currency[adv]) { // open makes it, or says what is wrong
			if row, err = open(ctx, tx, ledger.WalletOf(adv, f.currency[adv])); err != nil {
				return nil, err
			}
			accounts[int64(adv)] = row
		}
		row.Debits.add(f.wallets[adv])
		touched = append(touched, *row)
	}
	for c, amount := range f.currencies {
		row, err := open(ctx, tx, ledger.HouseAccount(ledger.Revenue, c))
		if err != nil {
			return nil, err
		}
		row.Credits.add(amount)
		accounts[revenueOf(c)] = row
		touched = append(touched, *row)
	}
	return accounts, saveAccounts(ctx, tx, touched)
}

// addSpend adds the batch to the totals of its limits.
func (f *fold) addSpend(ctx context.Context, tx sqldb.Tx) error {
	limits := make([]ledger.Limit, 0, len(f.limits))
	for l := range f.limits {
		limits = append(limits, l)
	}
	slices.SortFunc(limits, compareLimits)
	totals, err := spendOf(ctx, tx, limits)
	if err != nil {
		return err
	}
	rows := make([]spendRow, len(limits))
	for i, l := range limits {
		r := totals[l]
		r.Kind, r.Owner, r.Day = int64(l.Kind), l.Owner, l.Day
		r.Spent.add(f.limits[l].amount)
		r.Count += f.limits[l].count
		rows[i] = r
	}
	return chunks(rows, func(part []spendRow) error {
		_, err := tx.NewInsert().Model(&part).On("CONFLICT (kind, day, owner) DO UPDATE").Set("spent_hi = EXCLUDED.spent_hi").
			Set("spent_lo = EXCLUDED.spent_lo").Set("events = EXCLUDED.events").Exec(ctx)
		if err != nil {
			return fmt.Errorf("write spend: %w", err)
		}
		return nil
	})
}

func compareLimits(a, b ledger.Limit) int {
	switch {
	case a.Kind != b.Kind:
		return int(a.Kind) - int(b.Kind)
	case a.Day != b.Day:
		return int(a.Day) - int(b.Day)
	case a.Owner < b.Owner:
		return -1
	case a.Owner > b.Owner:
		return 1
	}
	return 0
}

// spendOf reads the totals of limits; one that has none is a zero row. The total
// of a week is added up from its days.
func spendOf(ctx context.Context, tx sqldb.Tx, limits []ledger.Limit) (map[ledger.Limit]spendRow, error) {
	out := make(map[ledger.Limit]spendRow, len(limits))
	for at, owners := range byPlace(limits) {
		kind, last := at.Kind, at.Day
		if at.Kind.Weekly() {
			kind, last = at.Kind.OfDay(), ledger.AddDays(at.Day, 6)
		}
		err := chunks(owners, func(part []int64) error {
			var rows []spendRow
			err := tx.NewSelect().Model(&rows).Where("kind = ?", int64(kind)).Where("day BETWEEN ? AND ?", at.Day, last).Where("owner IN (?)", bun.List(part)).Scan(ctx)
			for _, r := range rows {
				r.Kind, r.Day = int64(at.Kind), at.Day
				have := out[r.limit()]
				r.Spent.add(have.Spent.money())
				r.Count += have.Count
				out[r.limit()] = r
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read spend: %w", err)
		}
	}
	return out, nil
}

// position is a zero row for a new stream.
func position(ctx context.Context, tx sqldb.Tx, stream string) (positionRow, error) {
	row := positionRow{Stream: stream}
	err := tx.NewSelect().Model(&row).Where("stream = ?", stream).Scan(ctx)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return row, fmt.Errorf("find the position of stream %s: %w", stream, err)
	}
	return row, nil
}

// advance moves a stream's position; its time never goes back.
func advance(ctx context.Context, tx sqldb.Tx, from positionRow, seq uint64, through time.Time) error {
	row := positionRow{Stream: from.Stream, Seq: int64(seq), ThroughMS: max(from.ThroughMS, toMS(through))}
	if row == from {
		return nil
	}
	_, err := tx.NewInsert().Model(&row).On("CONFLICT (stream) DO UPDATE").Set("seq = EXCLUDED.seq").
		Set("through_ms = EXCLUDED.through_ms").Exec(ctx)
	if err != nil {
		return fmt.Errorf("move the position of stream %s: %w", from.Stream, err)
	}
	return nil
}

// Heartbeat implements ledger.Store.
func (s *Store) Heartbeat(ctx context.Context, stream string, at time.Time) error {
	if stream == "" || len(stream) > ledger.MaxStream {
		return problem(ledger.ErrInvalid, "stream", fmt.Sprintf("%q", stream), "must have 1 to %d bytes", ledger.MaxStream)
	}
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		pos, err := position(ctx, tx, stream)
		if err != nil {
			return err
		}
		return advance(ctx, tx, pos, uint64(pos.Seq), at)
	})
}

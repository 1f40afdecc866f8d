package crash

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/clock"
	"mazad/internal/money"
	"mazad/internal/sqldb"
	"mazad/ledger"
	ledgersql "mazad/ledger/sqlstore"
)

// verification is what the house says of itself at rest.
type verification struct {
	Equal       bool              `json:"equal"`
	Records     uint64            `json:"records"`
	Spend       map[string]string `json:"spend"`
	Diary       uint64            `json:"diary_seq"`
	Reports     uint64            `json:"reports_seq"`
	Ledger      uint64            `json:"ledger_seq"`
	Differences []string          `json:"differences"`
	Error       string            `json:"error"`
}

// verify asks the house until it has an answer: ClickHouse may be starting.
func (h *house) verify(ctx context.Context) (v verification, err error) {
	answered := h.until(ctx, time.Minute, func() bool {
		var raw []byte
		raw, err = slowly(ctx, h.admin+"/verify")
		v = verification{}
		return err == nil && json.Unmarshal(raw, &v) == nil && v.Error == ""
	})
	if !answered {
		return v, fmt.Errorf("the house cannot verify itself: %s %w", v.Error, err)
	}
	return v, nil
}

// count is a fold of the diary that shares no code with the house's own.
type count struct {
	records, repeats uint64
	last             uint64
	spend            map[int64]money.Nanos // of each advertiser
	billed           map[fact]money.Nanos  // first record of each
	times            map[fact]int
	problems         []string
}

func (c *count) problem(format string, args ...any) {
	if len(c.problems) < 50 {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

var kindNames = map[events.Kind]string{events.KindImpression: "impression", events.KindClick: "click", events.KindView: "view", events.KindConversion: "purchase"}

// fold reads a diary that nobody else has open.
func (h *house) fold(ctx context.Context) (*count, error) {
	d, err := diary.Open(ctx, diary.Config{Dir: filepath.Join(h.data(), "diary"), MoneyBytes: 256 << 20, DecisionBytes: 16 << 20, Clock: clock.System{}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close(ctx) }()
	c := &count{spend: map[int64]money.Nanos{}, billed: map[fact]money.Nanos{}, times: map[fact]int{}}
	first, last, err := d.Last(ctx, diary.Money)
	if err != nil {
		return nil, err
	}
	c.last = last
	ids := map[string]bool{}
	err = d.Read(ctx, diary.Money, first, last, func(b *diary.Batch) error {
		return b.Each(nil, func(r *events.Record) error {
			c.records++
			if e := r.ID.String(); ids[e] {
				c.problem("two records have the id %s", e)
			} else {
				ids[e] = true
			}
			c.add(r)
			return nil
		})
	})
	return c, err
}

func (c *count) add(r *events.Record) {
	name, ok := kindNames[r.Kind]
	if !ok {
		return
	}
	f := fact{name, r.Token.String()}
	if r.Kind == events.KindConversion {
		f.token = string(r.Conversion.EventID)
	}
	c.times[f]++
	switch {
	case c.times[f] > 1 && r.Kind == events.KindConversion:
		c.problem("%s %s is %d times in the diary", f.kind, f.token, c.times[f])
	case c.times[f] > 1:
		c.repeats++ // legal on disk, counts for nobody
		return
	case r.Verdict == events.VerdictBilled && r.BilledNanos != r.PriceNanos:
		c.problem("%s %s was billed %s at a price of %s", f.kind, f.token, r.BilledNanos, r.PriceNanos)
	case r.Verdict != events.VerdictBilled && r.BilledNanos != 0:
		c.problem("%s %s is %s but was billed %s", f.kind, f.token, r.Verdict, r.BilledNanos)
	}
	c.billed[f] = r.BilledNanos
	c.spend[int64(r.Advertiser)] += r.BilledNanos
}

// told compares the diary with what the client was told.
func (c *count) told(t *traffic, sealer *events.Sealer) (acked int) {
	known := map[fact]bool{}
	var tok events.Token
	for _, f := range t.order {
		a, on := t.facts[f], f
		if f.kind != "purchase" {
			if st := sealer.Open(&tok, []byte(f.token), events.UseImpression, time.Now().UnixMilli()); !st.Authentic() {
				c.problem("the token of %s %.40s is %s", f.kind, f.token, st)
				continue
			}
			on.token = tok.ID.String()
		}
		known[on] = true
		switch {
		case a.acked && c.times[on] == 0:
			c.problem("LOST: %s %s was acknowledged and is not in the diary: %q", on.kind, on.token, a.words)
		case a.billed > 1:
			c.problem("DOUBLED: %s %s was answered %d times with billed", on.kind, on.token, a.billed)
		case a.billed == 1 && c.billed[on] == 0:
			c.problem("LOST: %s %s was answered with billed, the diary says it is free", on.kind, on.token)
		}
		if a.acked {
			acked++
		}
	}
	for f := range c.times {
		if !known[f] {
			c.problem("%s %s is in the diary and was never sent", f.kind, f.token)
		}
	}
	return acked
}

// books compares the fold with what the house said and with the ledger's wallets.
func (h *house) books(ctx context.Context, c *count, w *world, v *verification) error {
	var all money.Nanos
	for _, n := range c.spend {
		all += n
	}
	switch {
	case !v.Equal:
		c.problem("the house says that it differs: %q", v.Differences)
	case v.Diary != c.last || v.Reports != c.last || v.Ledger != c.last:
		c.problem("the diary ends at %d; verified were diary %d, ClickHouse %d, ledger %d", c.last, v.Diary, v.Reports, v.Ledger)
	case v.Records != c.records:
		c.problem("%d records in the diary, the house folded %d", c.records, v.Records)
	case v.Spend["USD"] != money.SumOf(all).String():
		c.problem("the diary adds up to %s, the house says %s of diary, ClickHouse and ledger", money.SumOf(all), v.Spend["USD"])
	}
	db, err := sqldb.Open(ctx, sqldb.Config{Dir: h.data()})
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := ledgersql.Open(ctx, db, ledgersql.Config{Clock: clock.System{}})
	if err != nil {
		return err
	}
	for _, adv := range w.advertisers {
		b, err := store.Wallet(ctx, adv)
		if err != nil {
			return err
		}
		if want := paid().Sub(money.SumOf(c.spend[int64(adv)])); balance(&b).Cmp(want) != 0 {
			c.problem("the wallet of advertiser %s has %s, the diary leaves %s", adv, balance(&b), want)
		}
	}
	return db.Check(ctx)
}

func paid() money.Sum { return money.SumOf(money.Nanos(1_000_000_000)).Mul(budget) }

func balance(b *ledger.Balance) money.Sum { return b.Left() }

// sealer opens the tokens of the house.
func (h *house) sealer() (*events.Sealer, error) {
	raw, err := os.ReadFile(filepath.Join(h.data(), "token.key"))
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil {
		return nil, err
	}
	return events.NewSealer(events.Secret{ID: 1, Bytes: key})
}

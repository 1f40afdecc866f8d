package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/internal/sqldb"
	"mazad/ledger"

	"github.com/uptrace/bun"
)

// OpenWallet implements ledger.Store.
func (s *Store) OpenWallet(ctx context.Context, adv id.Advertiser, c money.Currency) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := open(ctx, tx, ledger.WalletOf(adv, c))
		return err
	})
}

// open finds an account or makes it.
func open(ctx context.Context, tx sqldb.Tx, a ledger.Account) (*accountRow, error) {
	if err := checkAccount(a); err != nil {
		return nil, err
	}
	row := &accountRow{}
	sel := tx.NewSelect().Model(row).Where("kind = ?", int64(a.Kind)).Where("owner = ?", int64(a.Owner))
	if a.Kind != ledger.Wallet { // an advertiser has one wallet, whatever its currency
		sel = sel.Where("currency = ?", string(a.Currency))
	}
	err := sel.Scan(ctx)
	switch {
	case err == nil && row.Currency != string(a.Currency):
		return nil, problem(ledger.ErrConflict, "currency", a.Currency, "the wallet of advertiser %d is in %s", a.Owner, row.Currency)
	case err == nil:
		return row, nil
	case !errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("find the %s account of %d: %w", a.Kind, a.Owner, err)
	}
	n, err := count(ctx, tx, "account", 1)
	if err != nil {
		return nil, err
	}
	row = &accountRow{ID: n, Kind: int64(a.Kind), Owner: int64(a.Owner), Currency: string(a.Currency)}
	if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
		return nil, fmt.Errorf("open the %s account of %d: %w", a.Kind, a.Owner, err)
	}
	return row, nil
}

func checkAccount(a ledger.Account) error {
	if _, err := money.ParseCurrency(string(a.Currency)); err != nil {
		return problem(ledger.ErrInvalid, "currency", fmt.Sprintf("%q", a.Currency), "is not a currency that is billed in")
	}
	switch a.Kind {
	case ledger.Wallet:
		if a.Owner <= 0 {
			return problem(ledger.ErrInvalid, "advertiser_id", a.Owner, "a wallet belongs to an advertiser")
		}
	case ledger.Cash, ledger.Revenue, ledger.Adjustments:
		if a.Owner != 0 {
			return problem(ledger.ErrInvalid, "owner", a.Owner, "the %s account belongs to the house", a.Kind)
		}
	default:
		return problem(ledger.ErrInvalid, "account", uint8(a.Kind), "is not a kind of account")
	}
	return nil
}

// TopUp implements ledger.Store.
func (s *Store) TopUp(ctx context.Context, t ledger.TopUp) (ledger.Transfer, bool, error) {
	if t.RequestID == "" || len(t.RequestID) > ledger.MaxRequestID {
		return ledger.Transfer{}, false, problem(ledger.ErrInvalid, "request_id", fmt.Sprint(len(t.RequestID), " bytes"), "must have 1 to %d bytes", ledger.MaxRequestID)
	}
	if t.Amount <= 0 || t.Amount > ledger.MaxTopUp {
		return ledger.Transfer{}, false, problem(ledger.ErrInvalid, "amount", t.Amount, "must be greater than 0 and at most %s", ledger.MaxTopUp)
	}
	return s.Transfer(ctx, ledger.Transfer{Kind: ledger.TopUps, Key: fmt.Sprintf("top-up/%d/%s", t.Advertiser, t.RequestID), Note: t.Note,
		Debit: ledger.HouseAccount(ledger.Cash, t.Currency), Credit: ledger.WalletOf(t.Advertiser, t.Currency), Amount: t.Amount.Sum()})
}

// Transfer implements ledger.Store.
func (s *Store) Transfer(ctx context.Context, t ledger.Transfer) (posted ledger.Transfer, replayed bool, err error) {
	if err := checkTransfer(t); err != nil {
		return posted, false, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		first, err := byKey(ctx, tx, t.Key)
		if err != nil {
			return err
		}
		if replayed = first != nil; replayed {
			posted = *first
			return sameTransfer(t, *first)
		}
		debit, err := open(ctx, tx, t.Debit)
		if err != nil {
			return err
		}
		credit, err := open(ctx, tx, t.Credit)
		if err != nil {
			return err
		}
		if t.Debit.Kind == ledger.Wallet {
			if err := s.canPay(ctx, tx, debit, t.Amount); err != nil {
				return err
			}
		}
		row := transferRow{Kind: int64(t.Kind), Debit: debit.ID, Credit: credit.ID, Amount: sumOf(t.Amount), AtMS: s.clock.Now().UnixMilli(),
			Key: t.Key, Note: t.Note, Owner: max(debit.Owner, credit.Owner)}
		if row.ID, err = count(ctx, tx, "transfer", 1); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("post a transfer: %w", err)
		}
		debit.Debits.add(t.Amount)
		credit.Credits.add(t.Amount)
		posted = transferOf(&row, debit, credit)
		return saveAccounts(ctx, tx, []accountRow{*debit, *credit})
	})
	if err != nil {
		return ledger.Transfer{}, false, err
	}
	return posted, replayed, nil
}

func checkTransfer(t ledger.Transfer) error {
	switch {
	case t.Kind != ledger.TopUps && t.Kind != ledger.Refunds && t.Kind != ledger.Corrections:
		return problem(ledger.ErrInvalid, "kind", t.Kind, "cannot be posted by itself")
	case t.Key == "" || len(t.Key) > 2*ledger.MaxRequestID:
		return problem(ledger.ErrInvalid, "key", fmt.Sprint(len(t.Key), " bytes"), "must have 1 to %d bytes", 2*ledger.MaxRequestID)
	case len(t.Note) > ledger.MaxNote:
		return problem(ledger.ErrInvalid, "note", fmt.Sprint(len(t.Note), " bytes"), "must have at most %d bytes", ledger.MaxNote)
	case t.Amount.Sign() <= 0 || t.Amount.Cmp(ledger.MaxTopUp.Sum()) > 0:
		return problem(ledger.ErrInvalid, "amount", t.Amount, "must be greater than 0 and at most %s", ledger.MaxTopUp)
	case t.Debit.Currency != t.Credit.Currency:
		return problem(ledger.ErrInvalid, "currency", t.Debit.Currency, "both accounts must have the same, not %s", t.Credit.Currency)
	case t.Debit == t.Credit:
		return problem(ledger.ErrInvalid, "account", t.Debit.Kind, "both sides are the same account")
	case t.Debit.Kind == ledger.Wallet && t.Credit.Kind == ledger.Wallet:
		return problem(ledger.ErrInvalid, "account", t.Debit.Kind, "money does not move between wallets")
	}
	return errors.Join(checkAccount(t.Debit), checkAccount(t.Credit))
}

func sameTransfer(asked, first ledger.Transfer) error {
	if asked.Kind == first.Kind && asked.Amount == first.Amount && asked.Debit == first.Debit && asked.Credit == first.Credit {
		return nil
	}
	return problem(ledger.ErrConflict, "request_id", asked.Key, "was used for %s %s, not %s %s",
		first.Amount, first.Debit.Currency, asked.Amount, asked.Debit.Currency)
}

// canPay refuses to take from a wallet what nodes may still spend (I1).
func (s *Store) canPay(ctx context.Context, tx sqldb.Tx, wallet *accountRow, amount money.Sum) error {
	limit := ledger.Limit{Kind: ledger.WalletLimit, Owner: wallet.Owner}
	leases, err := leasesOf(ctx, tx, []ledger.Limit{limit})
	if err != nil {
		return err
	}
	free := wallet.Credits.money().Sub(wallet.Debits.money())
	for _, l := range leases[limit] {
		free = free.Sub(l.lease().Outstanding())
	}
	if free.Cmp(amount) < 0 {
		return problem(ledger.ErrConflict, "amount", amount, "the wallet has %s that is not spent or about to be", free)
	}
	return nil
}

func saveAccounts(ctx context.Context, tx sqldb.Tx, rows []accountRow) error {
	return chunks(rows, func(part []accountRow) error {
		_, err := tx.NewInsert().Model(&part).On("CONFLICT (id) DO UPDATE").
			Set("debits_hi = EXCLUDED.debits_hi").Set("debits_lo = EXCLUDED.debits_lo").
			Set("credits_hi = EXCLUDED.credits_hi").Set("credits_lo = EXCLUDED.credits_lo").Exec(ctx)
		if err != nil {
			return fmt.Errorf("write balances: %w", err)
		}
		return nil
	})
}

// byKey finds a transfer that was posted before; nil when the key is new.
func byKey(ctx context.Context, tx sqldb.Tx, key string) (*ledger.Transfer, error) {
	var row transferRow
	err := tx.NewSelect().Model(&row).Where("request_key = ?", key).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find transfer %s: %w", key, err)
	}
	out, err := withAccounts(ctx, tx, []transferRow{row})
	if err != nil {
		return nil, err
	}
	return &out[0], nil
}

// withAccounts names the accounts of transfers.
func withAccounts(ctx context.Context, tx sqldb.Tx, rows []transferRow) ([]ledger.Transfer, error) {
	need := map[int64]*accountRow{}
	for _, r := range rows {
		need[r.Debit], need[r.Credit] = nil, nil
	}
	ids := make([]int64, 0, len(need))
	for n := range need {
		ids = append(ids, n)
	}
	err := chunks(ids, func(part []int64) error {
		var accounts []accountRow
		err := tx.NewSelect().Model(&accounts).Where("id IN (?)", bun.List(part)).Scan(ctx)
		for i := range accounts {
			need[accounts[i].ID] = &accounts[i]
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find accounts: %w", err)
	}
	out := make([]ledger.Transfer, len(rows))
	for i := range rows {
		out[i] = transferOf(&rows[i], need[rows[i].Debit], need[rows[i].Credit])
	}
	return out, nil
}

func transferOf(r *transferRow, debit, credit *accountRow) ledger.Transfer {
	return ledger.Transfer{ID: r.ID, Kind: ledger.TransferKind(r.Kind), Debit: debit.account(), Credit: credit.account(),
		Amount: r.Amount.money(), At: fromMS(r.AtMS), Key: r.Key, Note: r.Note, Batch: r.Batch,
		Campaign: id.Campaign(r.Campaign), AdGroup: id.AdGroup(r.AdGroup), Second: r.Second, Day: r.Day, Count: r.Count}
}

func (r *accountRow) account() ledger.Account {
	return ledger.Account{Kind: ledger.AccountKind(r.Kind), Owner: id.Advertiser(r.Owner), Currency: money.Currency(r.Currency)}
}

func (r *accountRow) balance() ledger.Balance {
	return ledger.Balance{Account: r.account(), Debits: r.Debits.money(), Credits: r.Credits.money()}
}

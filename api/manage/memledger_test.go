package manage_test

import (
	"context"
	"sync"

	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
)

// memoryLedger stands in for ledger/sqlstore until it exists.
type memoryLedger struct {
	mu      sync.Mutex
	wallets map[id.Advertiser]ledger.Balance
	seen    map[string]ledger.TopUp
	spent   map[ledger.Limit]money.Sum
}

func (m *memoryLedger) OpenWallet(_ context.Context, adv id.Advertiser, c money.Currency) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.wallets[adv]; !ok {
		m.wallets[adv] = ledger.Balance{Account: ledger.WalletOf(adv, c)}
	}
	return nil
}

func (m *memoryLedger) TopUp(_ context.Context, t ledger.TopUp) (ledger.Transfer, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := ledger.Transfer{Amount: t.Amount.Sum()}
	if old, ok := m.seen[t.RequestID]; ok && old.Advertiser == t.Advertiser {
		if old.Amount != t.Amount {
			return out, false, &ledger.Problem{Err: ledger.ErrConflict, Field: "request_id", Value: t.RequestID, Message: "was used for another top-up"}
		}
		return out, true, nil
	}
	m.seen[t.RequestID] = t
	b := m.wallets[t.Advertiser]
	b.Account = ledger.WalletOf(t.Advertiser, t.Currency)
	b.Credits = b.Credits.Add(t.Amount.Sum())
	m.wallets[t.Advertiser] = b
	return out, false, nil
}

func (m *memoryLedger) Wallet(_ context.Context, adv id.Advertiser) (ledger.Balance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.wallets[adv]
	if !ok {
		return b, &ledger.Problem{Err: ledger.ErrNotFound, Field: "advertiser_id", Value: adv.String(), Message: "has no wallet"}
	}
	return b, nil
}

func (m *memoryLedger) Balances(_ context.Context, advs ...id.Advertiser) ([]ledger.Balance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []ledger.Balance
	for _, adv := range advs {
		if b, ok := m.wallets[adv]; ok {
			out = append(out, b)
		}
	}
	return out, nil
}

func (m *memoryLedger) Spend(_ context.Context, q ledger.SpendQuery) ([]ledger.LimitSpend, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []ledger.LimitSpend
	for _, l := range q.Limits {
		out = append(out, ledger.LimitSpend{Limit: l, Spent: m.spent[l]})
	}
	return out, nil
}

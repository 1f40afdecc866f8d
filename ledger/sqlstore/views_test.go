package sqlstore_test

import (
	"context"
	"testing"

	"mazad/internal/clock"
	"mazad/internal/money"
	"mazad/internal/sqldb"
	"mazad/internal/sqldb/postgrestest"
	"mazad/ledger"
	"mazad/ledger/sqlstore"
	"mazad/ledger/storetest"
)

// TestPostgresAddsUpByItself lets the server add the books up in NUMERIC(38,9),
// beyond 64 bits, and compares with what the store says.
func TestPostgresAddsUpByItself(t *testing.T) {
	ctx := context.Background()
	server := postgrestest.Start(t, postgrestest.Options{NoSync: true})
	db, err := sqldb.Open(ctx, sqldb.Config{URL: server.Database(), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	store, err := sqlstore.Open(ctx, db, sqlstore.Config{Clock: clock.System{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} { // three trillion: more nanos than 64 bits hold
		if _, _, err := store.TopUp(ctx, ledger.TopUp{RequestID: id, Advertiser: 7, Currency: "SAR", Amount: ledger.MaxTopUp}); err != nil {
			t.Fatal(err)
		}
	}
	row := storetest.Row(7, 1, 100, 1) // one nano
	if _, err := store.PostSpend(ctx, ledger.SpendBatch{Stream: "money", FirstSeq: 1, LastSeq: 1, Rows: []ledger.SpendRow{row}}); err != nil {
		t.Fatal(err)
	}
	var wallet, transfers, spend string
	err = db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT
			(SELECT (credits - debits)::TEXT FROM ledger_accounts WHERE kind = 1 AND owner = 7),
			(SELECT SUM(amount)::TEXT FROM ledger_transfers),
			(SELECT SUM(spent)::TEXT FROM ledger_spend WHERE kind = ?)`, int64(ledger.WalletLimit)).Scan(&wallet, &transfers, &spend)
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := store.Wallet(ctx, 7)
	if err != nil {
		t.Fatal(err)
	}
	if want := ledger.MaxTopUp.Sum().Add(ledger.MaxTopUp.Sum()).Add(ledger.MaxTopUp.Sum()).Sub(money.SumOf(1)); b.Left() != want {
		t.Fatalf("the wallet has %s, want %s", b.Left(), want)
	}
	if wallet != "2999999999999.999999999" || transfers != "3000000000000.000000001" || spend != "0.000000001" {
		t.Errorf("PostgreSQL says wallet %s, transfers %s, spend %s", wallet, transfers, spend)
	}
}

package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"mazad/internal/sqldb"
)

// views show the books with amounts as NUMERIC(38,9), for people and tools that
// ask PostgreSQL themselves. The store never reads them.
var views = []struct{ name, table, columns string }{
	{"ledger_accounts", "accounts", "id, kind, owner, currency, $debits, $credits"},
	{"ledger_transfers", "transfers", "id, kind, debit, credit, $amount, at_ms, request_key, note, owner, batch, campaign_id, ad_group_id, auction_second, day, events"},
	{"ledger_batches", "batches", "id, stream, first_seq, last_seq, at_ms, pairs, $amount"},
	{"ledger_spend", "spend", "kind, owner, day, $spent, events"},
	{"ledger_leases", "leases", "kind, owner, day, node, generation, $granted, $spent, closed"},
}

// decimal is the value of two halves: exact, because it multiplies.
func decimal(name string) string {
	const two64 = "18446744073709551616"
	return fmt.Sprintf("((%[1]s_hi::NUMERIC * %[2]s + CASE WHEN %[1]s_lo < 0 THEN %[2]s ELSE 0 END + %[1]s_lo::NUMERIC) * 0.000000001)::NUMERIC(38,9) AS %[1]s", name, two64)
}

// makeViews makes the views on PostgreSQL; SQLite has no such type.
func makeViews(ctx context.Context, db *sqldb.DB) error {
	if db.Engine() != sqldb.Postgres {
		return nil
	}
	return db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		for _, v := range views {
			columns := strings.Split(v.columns, ", ")
			for i, c := range columns {
				if sum, ok := strings.CutPrefix(c, "$"); ok {
					columns[i] = decimal(sum)
				}
			}
			if _, err := tx.ExecContext(ctx, "CREATE OR REPLACE VIEW "+v.name+" AS SELECT "+strings.Join(columns, ", ")+" FROM "+v.table); err != nil {
				return fmt.Errorf("make the view %s: %w", v.name, err)
			}
		}
		return nil
	})
}

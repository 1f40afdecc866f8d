package reporting

import (
	"context"
	"errors"

	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
)

// Books are the ledger's totals as Verify reads them.
func Books(store ledger.Store, stream string) LedgerTotals { return books{store, stream} }

type books struct {
	store  ledger.Store
	stream string
}

// AdGroupSpend implements LedgerTotals: the totals between two equal positions.
func (b books) AdGroupSpend(ctx context.Context) (map[id.AdGroup]money.Sum, uint64, error) {
	for range verifyTries {
		before, err := b.store.Position(ctx, b.stream)
		if err != nil {
			return nil, 0, err
		}
		list, err := b.store.Spend(ctx, ledger.SpendQuery{Kinds: []ledger.LimitKind{ledger.AdGroupLifetime}})
		if err != nil {
			return nil, 0, err
		}
		after, err := b.store.Position(ctx, b.stream)
		if err != nil {
			return nil, 0, err
		}
		if before.Seq != after.Seq {
			continue
		}
		totals := make(map[id.AdGroup]money.Sum, len(list))
		for _, l := range list {
			if l.Kind == ledger.AdGroupLifetime {
				totals[id.AdGroup(l.Owner)] = l.Spent
			}
		}
		return totals, before.Seq, nil
	}
	return nil, 0, errors.New("the ledger did not stand still; try again with less traffic")
}

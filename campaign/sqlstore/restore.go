package sqlstore

import (
	"context"
	"fmt"

	"mazad/internal/sqldb"
)

// skippedLives is how many lives of a node may have begun after a backup was
// made, before it is restored.
const skippedLives = 1_000

// SkipLives is called once on a store that was restored from a backup. Lives that
// began after the backup was made are not in it, but their tokens are on devices:
// the next life must not have the number of one of them.
func SkipLives(ctx context.Context, db *sqldb.DB) error {
	return db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE counters SET value = value + ? WHERE name LIKE 'generation of node %'", skippedLives)
		if err != nil {
			return fmt.Errorf("skip the lives that a backup does not know: %w", err)
		}
		return nil
	})
}

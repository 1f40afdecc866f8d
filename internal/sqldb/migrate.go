package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Migrate brings one room's tables up to date. dir holds numbered goose
// migrations; the room's name keeps its numbers apart from other rooms'. A
// database that a newer version has migrated is refused.
func (d *DB) Migrate(ctx context.Context, room string, dir fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, d.writer.DB, dir, goose.WithTableName(room+"_migrations"),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations of %s: %w", room, err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the tables of %s: %w", room, err)
	}
	if current > target {
		return fmt.Errorf("the tables of %s have version %d, this program knows %d: it is older than the data", room, current, target)
	}
	if _, err := p.Up(ctx); err != nil {
		var partial *goose.PartialError
		if errors.As(err, &partial) {
			return fmt.Errorf("migrate %s to %d: %w", room, partial.Failed.Source.Version, partial.Err)
		}
		return fmt.Errorf("migrate %s: %w", room, err)
	}
	return nil
}

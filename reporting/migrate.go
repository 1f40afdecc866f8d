package reporting

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"mazad/internal/failpoint"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one numbered file. Its statements are idempotent, because
// ClickHouse has no transaction around them and the number is written last.
type migration struct {
	number     uint32
	name, hash string
	statements []string
}

func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, name := range names {
		b, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		base := strings.TrimSuffix(strings.TrimPrefix(name, "migrations/"), ".sql")
		digits, _, _ := strings.Cut(base, "_")
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || int(n) != len(list)+1 {
			return nil, fmt.Errorf("migration %s is not number %d", name, len(list)+1)
		}
		sum := sha256.Sum256(b)
		m := migration{number: uint32(n), name: base, hash: hex.EncodeToString(sum[:8])}
		for _, s := range strings.Split(string(b), ";\n") {
			if strings.TrimSpace(s) != "" {
				m.statements = append(m.statements, s)
			}
		}
		list = append(list, m)
	}
	return list, nil
}

// afterStatement is where a test ends the process: a migration is half done.
var afterStatement = failpoint.New("schema.after-statement")

// Migrate brings the schema to this build's version. A database that a newer
// build made, or a migration that was changed after it ran, is an error.
func (c *Client) Migrate(ctx context.Context) error {
	list, err := migrations()
	if err != nil {
		return err
	}
	for _, s := range []string{"CREATE DATABASE IF NOT EXISTS {db}",
		`CREATE TABLE IF NOT EXISTS {db}.schema_migrations (number UInt32, name String, hash String,
			applied DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = ReplacingMergeTree ORDER BY number
			SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`} {
		if err := c.exec(ctx, s); err != nil {
			return fmt.Errorf("prepare the schema: %w", err)
		}
	}
	done := map[uint32]string{}
	err = c.each(ctx, "SELECT number, hash FROM {db}.schema_migrations FINAL", func(r driver.Rows) error {
		var n uint32
		var hash string
		err := r.Scan(&n, &hash)
		done[n] = hash
		return err
	})
	if err != nil {
		return fmt.Errorf("read schema_migrations: %w", err)
	}
	for n := range done {
		if int(n) > len(list) {
			return fmt.Errorf("database %s has schema %d, this build knows %d: use a newer build", c.cfg.Database, n, len(list))
		}
	}
	for _, m := range list {
		if hash, ok := done[m.number]; ok {
			if hash != m.hash {
				return fmt.Errorf("migration %s was changed after it ran (ran %s, this build has %s)", m.name, hash, m.hash)
			}
			continue
		}
		for _, s := range m.statements {
			if err := c.exec(ctx, s); err != nil {
				return fmt.Errorf("migration %s: %w", m.name, err)
			}
			afterStatement.Hit()
		}
		insert := fmt.Sprintf("INSERT INTO {db}.schema_migrations (number, name, hash) VALUES (%d, '%s', '%s')", m.number, m.name, m.hash)
		if err := c.exec(ctx, insert); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	return nil
}

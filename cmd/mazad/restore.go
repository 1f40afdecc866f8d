package main

import (
	"io/fs"

	campaignsql "mazad/campaign/sqlstore"
	ledgersql "mazad/ledger/sqlstore"
)

// migrationsByRoom is what a database of this program is made of.
func migrationsByRoom() map[string]fs.FS {
	return map[string]fs.FS{campaignsql.Room: campaignsql.Migrations(), ledgersql.Room: ledgersql.Migrations()}
}

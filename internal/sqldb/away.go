package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// Away says that the database cannot be used now, whatever was asked of it: its
// disk is full, another process holds it, the server is gone. Nothing of the
// transaction was kept; the same call may succeed later.
type Away struct {
	Reason string // for the caller, without names of our machines
	Err    error
}

func (a *Away) Error() string { return a.Err.Error() }
func (a *Away) Unwrap() error { return a.Err }

// Unavailable is the reason, for rooms that do not know this package.
func (a *Away) Unavailable() string { return a.Reason }

// away marks err as an Away if it is one.
func away(err error) error {
	var already *Away
	if err == nil || errors.As(err, &already) {
		return err
	}
	if reason := reasonOf(err); reason != "" {
		return &Away{reason, err}
	}
	return err
}

func reasonOf(err error) string {
	var lite *sqlite.Error
	var pg *pgconn.PgError
	var network net.Error
	switch {
	case errors.As(err, &lite):
		return sqliteReasons[lite.Code()&0xff]
	case errors.As(err, &pg):
		return postgresReason(pg.Code)
	case errors.Is(err, errWaited), errors.Is(err, context.DeadlineExceeded):
		return "the database is busy"
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.As(err, &network):
		return "the database cannot be reached"
	}
	return ""
}

// sqliteReasons by primary result code, https://sqlite.org/rescode.html.
var sqliteReasons = map[int]string{
	5:  "another process holds the database",    // SQLITE_BUSY
	8:  "the database's disk is read-only",      // SQLITE_READONLY
	10: "the database's disk cannot be written", // SQLITE_IOERR
	13: "the database's disk is full",           // SQLITE_FULL
	14: "the database's file cannot be opened",  // SQLITE_CANTOPEN
}

// postgresReason by class, https://www.postgresql.org/docs/current/errcodes-appendix.html.
func postgresReason(code string) string {
	if len(code) < 2 {
		return ""
	}
	switch {
	case code == "53100":
		return "the database's disk is full"
	case code == "55P03":
		return "another process holds the database"
	case code[:2] == "08", code[:2] == "57", code[:2] == "53":
		return "the database cannot be reached"
	}
	return ""
}

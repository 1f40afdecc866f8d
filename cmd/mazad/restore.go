package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	campaignsql "mazad/campaign/sqlstore"
	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/backup"
	"mazad/internal/sqldb"
	ledgersql "mazad/ledger/sqlstore"

	"github.com/spf13/cobra"
)

// migrationsByRoom is what a database of this program is made of.
func migrationsByRoom() map[string]fs.FS {
	return map[string]fs.FS{campaignsql.Room: campaignsql.Migrations(), ledgersql.Room: ledgersql.Migrations()}
}

func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func restoreCommand() *cobra.Command {
	var config string
	var keepStore bool
	c := &cobra.Command{
		Use: "restore DIR|FILE.tar", Short: "Fill an empty data directory, and an empty store, from a backup", Args: cobra.ExactArgs(1),
		Long: "restore reads the whole backup first and compares it with its manifest. It writes into an empty data directory, and into\n" +
			"an empty database where store.url names one: a backup of either kind of store fills both. Then start `mazad serve`; reports are\n" +
			"made again from the diary, into an empty ClickHouse.",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := LoadConfig(config)
			if err != nil {
				return err
			}
			r := &restoring{cfg: cfg, keepStore: keepStore, show: showBytes(cmd.ErrOrStderr())}
			if err := r.run(cmd.Context(), args[0]); err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "restored into %s from ", cfg.DataDir)
			r.about.print(cmd.OutOrStdout(), args[0], &r.set.Manifest)
			return nil
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "YAML file of the deployment; without one the defaults hold")
	c.Flags().BoolVar(&keepStore, "keep-store", false, "the store is there already: restore the node's own files only")
	return c
}

// restoring is one run of the command.
type restoring struct {
	cfg       Config
	keepStore bool
	show      func(string, int64)
	set       *backup.Set
	about     backedUp
}

// unfinished is the file that marks a data directory whose restore did not end.
const unfinishedRestore = "RESTORE-UNFINISHED"

func (r *restoring) run(ctx context.Context, from string) (err error) {
	if r.set, err = backup.Open(from); err != nil {
		return err
	}
	defer r.set.Close()
	if err := r.set.Verify(r.show); err != nil {
		return err
	}
	if err := json.Unmarshal(r.set.Manifest.About, &r.about); err != nil {
		return fmt.Errorf("read what the backup says of itself: %w", err)
	}
	if err := r.emptyDir(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.store, r.files, r.diary, r.compare} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(r.cfg.DataDir, unfinishedRestore)); err != nil {
		return err
	}
	return syncFolder(r.cfg.DataDir)
}

// emptyDir refuses a data directory that holds anything.
func (r *restoring) emptyDir() error {
	if err := os.MkdirAll(r.cfg.DataDir, 0o700); err != nil {
		return err
	}
	there, err := os.ReadDir(r.cfg.DataDir)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return fmt.Errorf("the data directory %s is not empty, it holds %s: give an empty one", r.cfg.DataDir, there[0].Name())
	}
	return writeOnce(filepath.Join(r.cfg.DataDir, unfinishedRestore), []byte("empty this directory and restore again\n"))
}

// checkRestored refuses a data directory whose restore did not end.
func checkRestored(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, unfinishedRestore)); err == nil {
		return fmt.Errorf("a restore into %s did not end: empty the directory and restore again", dir)
	}
	return nil
}

// store fills the database.
func (r *restoring) store(ctx context.Context) error {
	if r.keepStore {
		return nil
	}
	at, err := r.cfg.storeConfig()
	if err != nil {
		return err
	}
	db, err := sqldb.Open(ctx, at)
	if err != nil {
		return err
	}
	rows, err := r.set.Reader(backupRows)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	err = db.Import(ctx, r.about.Store, rows, migrationsByRoom())
	if err == nil {
		err = campaignsql.SkipLives(ctx, db)
	}
	return errors.Join(err, rows.Close(), db.Close())
}

// files writes what is kept as files: users, archive and keys.
func (r *restoring) files(context.Context) error {
	for prefix, dir := range map[string]string{
		backupUsers: filepath.Join(r.cfg.DataDir, "users"), backupArchive: filepath.Join(r.cfg.archiveDir(), r.stream("money").Name), backupKeys: r.cfg.DataDir,
	} {
		for _, name := range r.set.Files(prefix) {
			path := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(name, prefix)))
			if name == backupKeys+"token.key" {
				path = r.cfg.tokenKeyFile()
			}
			if err := r.file(name, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// file writes one file that must not be there, or be the same.
func (r *restoring) file(name, path string) error {
	in, err := r.set.Reader(name)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s of the backup belongs where %s is already", name, path)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Sync(), f.Close(), syncFolder(filepath.Dir(path)))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (r *restoring) stream(role string) backedStream {
	for _, s := range r.about.Streams {
		if s.Role == role {
			return s
		}
	}
	return backedStream{}
}

// diary fills the streams.
func (r *restoring) diary(ctx context.Context) error {
	cfg := r.cfg.diaryConfig(0)
	cfg.MoneyStream, cfg.DecisionStream, cfg.ReplayStream = r.stream("money").Name, r.stream("decisions").Name, r.stream("replays").Name
	var streams []diary.Restored
	for _, s := range r.about.Streams {
		in, err := r.set.Reader(backupStreams + s.Name)
		if err != nil {
			return err
		}
		defer in.Close()
		first := s.First
		if s.Count == 0 {
			first = s.Last + 1
		}
		frames := &frames{in: bufio.NewReaderSize(in, 1<<20), next: first, exact: s.Role == "money"}
		streams = append(streams, diary.Restored{Stream: s.Name, First: first, Next: frames.read})
	}
	if err := diary.Restore(ctx, cfg, streams...); err != nil {
		return fmt.Errorf("fill the diary: %w", err)
	}
	return nil
}

// frames reads what backupStream wrote.
type frames struct {
	in    *bufio.Reader
	next  uint64
	exact bool // no batch may be left out
	buf   []byte
}

func (f *frames) read() ([]byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(f.in, head[:]); err != nil {
		return nil, err // io.EOF at the end
	}
	seq, size := binary.LittleEndian.Uint64(head[:]), binary.LittleEndian.Uint32(head[16:])
	if f.exact && seq != f.next || size > events.MaxBatch {
		return nil, fmt.Errorf("the backup has batch %d of %d bytes where %d is expected", seq, size, f.next)
	}
	f.next = seq + 1
	if cap(f.buf) < int(size) {
		f.buf = make([]byte, size)
	}
	f.buf = f.buf[:size]
	if _, err := io.ReadFull(f.in, f.buf); err != nil {
		return nil, fmt.Errorf("batch %d ends early: %w", seq, err)
	}
	return f.buf, nil
}

// compare refuses a ledger that is ahead of the diary: what it booked could never
// be explained.
func (r *restoring) compare(ctx context.Context) error {
	at, err := r.cfg.storeConfig()
	if err != nil {
		return err
	}
	db, err := sqldb.Open(ctx, at)
	if err != nil {
		return err
	}
	money := r.stream("money")
	store, err := ledgersql.Open(ctx, db, ledgersql.Config{})
	if err == nil {
		pos, err2 := store.Position(ctx, money.Name)
		if err = err2; err == nil && pos.Seq > money.Last {
			err = fmt.Errorf("the ledger has booked %s up to batch %d, the diary of this backup ends at %d: take a backup that was made after that of the store", money.Name, pos.Seq, money.Last)
		}
	}
	return errors.Join(err, db.Close())
}

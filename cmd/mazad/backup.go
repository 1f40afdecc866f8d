package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mazad/events/diary"
	"mazad/internal/backup"
	"mazad/internal/sqldb"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// Names of what lies in a backup.
const (
	backupRows    = "store/rows"
	backupStreams = "diary/"
	backupArchive = "archive/"
	backupUsers   = "users/"
	backupKeys    = "keys/"
	backupConfig  = "config.yaml"
)

// backedUp is what a backup says of itself.
type backedUp struct {
	Node    uint16         `json:"node"`
	Store   sqldb.Dump     `json:"store"`
	Streams []backedStream `json:"streams"`
	// Elsewhere are secrets that the backup does not hold, because the
	// environment does.
	Elsewhere []string `json:"elsewhere,omitempty"`
}

// backedStream is one stream of the diary: batches First to Last.
type backedStream struct {
	Role  string `json:"role"` // money, decisions, replays
	Name  string `json:"name"`
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Count uint64 `json:"count"`
}

// backup writes everything that this node keeps, but what can be made again from
// it (reports), while it serves. The order is what makes the parts fit: the
// ledger first, then the diary, so that the ledger is never ahead; the archive as
// it was before the end of the diary was read; the users last, so that every
// record finds its user's key.
func (n *Node) backup(ctx context.Context, w io.Writer) error {
	out := backup.NewWriter(w, n.clock.Now(), version())
	about := backedUp{Node: n.life.Node}
	err := out.File(backupRows, func(f io.Writer) (err error) {
		about.Store, err = n.db.Export(ctx, f)
		return err
	})
	if err != nil {
		return err
	}
	sealed, err := n.archive.Copy()
	if err != nil {
		return err
	}
	for role, stream := range n.streams() {
		done, err := n.backupStream(ctx, out, stream, sealed.Last()+1)
		if err != nil {
			return err
		}
		done.Role = streamRoles[role]
		about.Streams = append(about.Streams, done)
	}
	if err := sealed.Each(ctx, func(name string, r io.Reader) error { return out.Copy(backupArchive+name, r) }); err != nil {
		return err
	}
	if err := n.users.Backup(func(name string, r io.Reader) error { return out.Copy(backupUsers+name, r) }); err != nil {
		return err
	}
	if about.Elsewhere, err = n.backupKeys(out); err != nil {
		return err
	}
	cfg, err := yaml.Marshal(n.cfg)
	if err == nil {
		err = out.Copy(backupConfig, strings.NewReader(string(cfg)))
	}
	if err != nil {
		return err
	}
	return out.Finish(about)
}

// streamRoles names the streams of n.streams.
var streamRoles = [...]string{"money", "decisions", "replays"}

func (n *Node) streams() [3]string {
	return [3]string{n.diary.MoneyStream(), n.diary.DecisionStream(), n.diary.ReplayStream()}
}

// frameHead is before every batch: its sequence, when it was stored, its length.
const frameHead = 8 + 8 + 4

// backupStream copies a stream as it stands now. What leaves it meanwhile is read
// from the archive; unarchived is the first batch that is not in there.
func (n *Node) backupStream(ctx context.Context, out *backup.Writer, stream string, unarchived uint64) (done backedStream, err error) {
	done.Name = stream
	first, last, err := n.diary.Last(ctx, stream)
	if err != nil {
		return done, err
	}
	if stream == n.diary.MoneyStream() {
		first = min(max(first, 1), unarchived)
	}
	done.First, done.Last = first, last
	err = out.File(backupStreams+stream, func(f io.Writer) error {
		if last == 0 {
			return nil
		}
		return n.history.Read(ctx, stream, first, last, func(b *diary.Batch) error {
			var head [frameHead]byte
			data := b.Bytes()
			binary.LittleEndian.PutUint64(head[:], b.Seq)
			binary.LittleEndian.PutUint64(head[8:], uint64(b.Stored.UnixNano()))
			binary.LittleEndian.PutUint32(head[16:], uint32(len(data)))
			if done.Count == 0 {
				done.First = b.Seq // of decisions, old ones go by design
			}
			done.Count++
			_, err := f.Write(append(head[:], data...))
			return err
		})
	})
	if err == nil && stream == n.diary.MoneyStream() && done.Count != last+1-first {
		err = fmt.Errorf("%d batches came, want %d to %d", done.Count, first, last)
	}
	if err != nil {
		return done, fmt.Errorf("copy the stream %s: %w", stream, err)
	}
	return done, nil
}

// keyFiles are the secrets and the name of the node in the data directory.
var keyFiles = [...]string{"operator.key", "node.id"}

// backupKeys copies the secrets that are files and names the others.
func (n *Node) backupKeys(out *backup.Writer) (elsewhere []string, err error) {
	files := map[string]string{"token.key": n.cfg.tokenKeyFile()}
	for _, name := range keyFiles {
		files[name] = filepath.Join(n.cfg.DataDir, name)
	}
	for _, name := range append([]string{"token.key"}, keyFiles[:]...) {
		raw, err := os.ReadFile(files[name])
		switch {
		case errors.Is(err, os.ErrNotExist):
			elsewhere = append(elsewhere, name)
		case err != nil:
			return nil, err
		default:
			if err := out.Copy(backupKeys+name, strings.NewReader(string(raw))); err != nil {
				return nil, err
			}
		}
	}
	return elsewhere, nil
}

// serveBackup streams a backup. One that fails on the way is cut off, so that
// nobody takes it for whole.
func (n *Node) serveBackup(w http.ResponseWriter, r *http.Request) {
	if !n.backingUp.TryLock() {
		http.Error(w, "another backup is being made", http.StatusServiceUnavailable)
		return
	}
	defer n.backingUp.Unlock()
	w.Header().Set("Content-Type", "application/x-tar")
	w.WriteHeader(http.StatusOK)
	started := time.Now()
	if err := n.backup(r.Context(), w); err != nil {
		n.log.Error("a backup failed", "cause", err)
		panic(http.ErrAbortHandler)
	}
	n.log.Info("a backup was made", "took_ms", time.Since(started).Milliseconds())
}

func backupCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use: "backup DIR|FILE.tar", Short: "Copy everything that cannot be made again, while the server runs", Args: cobra.ExactArgs(1),
		Long: "backup copies the store, the diary, its archive, users and keys into a new folder or tar file: a state to which\n" +
			"`mazad restore` can return. Reports are not in it, they are made again. It holds every secret: keep it as safe as the server.",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := LoadConfig(config)
			if err != nil {
				return err
			}
			var m *backup.Manifest
			err = withServer(cmd.Context(), cfg, newLog(cmd.ErrOrStderr(), "warn"), func(ctx context.Context, admin string) error {
				m, err = backupRunning(ctx, admin, args[0], showBytes(cmd.ErrOrStderr()))
				return err
			})
			if err != nil {
				return err
			}
			var about backedUp
			if err := json.Unmarshal(m.About, &about); err != nil {
				return err
			}
			about.print(cmd.OutOrStdout(), args[0], m)
			return nil
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "YAML file; without one the defaults hold")
	return c
}

// backupRunning asks a server for a backup and keeps it.
func backupRunning(ctx context.Context, admin, to string, show func(string, int64)) (*backup.Manifest, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, admin+"/backup", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", errNotRunning, admin, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return nil, fmt.Errorf("backup: %s", strings.TrimSpace(string(raw)))
	}
	return backup.Receive(resp.Body, to, show)
}

// showBytes prints how far long copying is, on a terminal only.
func showBytes(w io.Writer) func(name string, bytes int64) {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if st, err := f.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(name string, bytes int64) { fmt.Fprintf(w, "\r\033[K%8.1f MB  %s", float64(bytes)/1e6, name) }
}

// books is one line that two stores have in common when their ledgers are equal.
func (b *backedUp) books() string {
	var parts []string
	for _, t := range b.Store.Tables {
		if ledgerTables[t.Name] {
			parts = append(parts, t.Name+" "+t.SHA256)
		}
	}
	return hashText(strings.Join(parts, "\n"))
}

// ledgerTables hold money. Positions and leases are not among them: they move
// with the clock when no money does.
var ledgerTables = map[string]bool{"accounts": true, "transfers": true, "batches": true, "spend": true}

func (b *backedUp) print(w io.Writer, path string, m *backup.Manifest) {
	var bytes int64
	for _, p := range m.Parts {
		bytes += p.Bytes
	}
	var rows int64
	for _, t := range b.Store.Tables {
		rows += t.Rows
	}
	fmt.Fprintf(w, "%s: node %d at %s, %.1f MB in %d files\n", path, b.Node, m.MadeAt.Format(time.RFC3339), float64(bytes)/1e6, len(m.Parts))
	fmt.Fprintf(w, "  store   %d tables, %d rows; ledger %s\n", len(b.Store.Tables), rows, b.books())
	for _, s := range b.Streams {
		fmt.Fprintf(w, "  diary   %-9s %s %d to %d\n", s.Role, s.Name, s.First, s.Last)
	}
	for _, e := range b.Elsewhere {
		fmt.Fprintf(w, "  not in it: %s is not a file here (the environment holds it?)\n", e)
	}
}

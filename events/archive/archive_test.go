package archive_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mazad/events/archive"
	"mazad/events/diary"
)

func TestArchiveAndStreamAreOneSequence(t *testing.T) {
	b := newBench(t, newMemory())
	b.passed["books"] = 1 << 40
	b.stop()
	b.open(nil)
	b.wantAll(1, 0)
	b.seal(5, 1, 7)
	b.fill(4) // in the file under construction
	b.wantAll(1, 17)
	b.clock.Advance(100 * time.Hour)
	keep, err := b.w.Purge(t.Context())
	if err != nil || keep != 14 {
		t.Fatalf("purged up to %d: %v", keep, err)
	}
	b.wantAll(1, 17)
	for from := uint64(1); from <= 17; from++ {
		next := from
		err := b.seq.Read(t.Context(), diary.Money, from, from+4, func(got *diary.Batch) error {
			if got.Seq != next {
				return fmt.Errorf("got %d, want %d", got.Seq, next)
			}
			next++
			return nil
		})
		if err != nil || next != min(from+5, 18) {
			t.Fatalf("from %d: read to %d: %v", from, next-1, err)
		}
	}
	// Another life reads on where the last one ended, and the first batches of
	// the stream are gone.
	b.stop()
	b.open(nil)
	b.seen(17)
	b.seal(2)
	b.wantAll(1, 19)
	if r := b.check(); len(r.Damage) > 0 || r.Batches != 19 || r.Both != 6 || r.Files != 4 {
		t.Errorf("report %+v", r)
	}
	first, last, err := b.seq.Last(t.Context(), diary.Money)
	if err != nil || first != 1 || last != 19 {
		t.Errorf("the sequence is %d to %d: %v", first, last, err)
	}
}

// TestConsumeGoesFromArchiveToStreamToWhatComes: one Consume over all three,
// while the stream's head leaves under it.
func TestConsumeGoesFromArchiveToStreamToWhatComes(t *testing.T) {
	b := newBench(t, newMemory())
	b.seal(6, 6, 6)
	if err := b.stream.Purge(t.Context(), "", 7); err != nil {
		t.Fatal(err)
	}
	next := uint64(1)
	err := b.seq.Consume(t.Context(), diary.Money, 0, func(got *diary.Batch) error {
		if got.Seq != next {
			return fmt.Errorf("got %d, want %d", got.Seq, next)
		}
		switch next++; got.Seq {
		case 4: // the reader is in the archive, and the stream moves on
			return b.stream.Purge(t.Context(), "", 13)
		case 18:
			b.stream.put(b.clock.Now(), batchOf(t, 19, 3))
		case 19:
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || next != 20 || b.seq.Healed() != 0 {
		t.Errorf("ended before %d, %d healed: %v", next, b.seq.Healed(), err)
	}
}

// TestAHoleInTheStreamIsReadFromTheArchive: what the stream lost is still there,
// and is counted.
func TestAHoleInTheStreamIsReadFromTheArchive(t *testing.T) {
	b := newBench(t, newMemory())
	b.seal(10)
	b.stream.lose(4, 5)
	b.wantAll(1, 10)
	if b.seq.Healed() != 2 {
		t.Errorf("%d healed, want 2", b.seq.Healed())
	}
	if r := b.check(); len(r.Damage) != 1 || !strings.Contains(r.Damage[0].Error(), "batches 4 to 5 are gone") {
		t.Errorf("the hole is not named: %v", r.Damage)
	}
	b.fill(3)
	b.stream.lose(12) // not archived: nobody has it
	var gap *diary.GapError
	if err := b.seq.Read(t.Context(), diary.Money, 0, 99, func(*diary.Batch) error { return nil }); !errors.As(err, &gap) || gap.Want != 12 {
		t.Errorf("a batch that nobody has: %v", err)
	}
}

func TestNothingLeavesTheStreamTooEarly(t *testing.T) {
	b := newBench(t, newMemory())
	pressed := false
	b.passed["books"], b.passed["reports"] = 0, 0
	b.cfg.Pressed = func() bool { return pressed }
	b.stop()
	b.open(nil)
	b.seal(5, 5, 5)
	keeps := func(what string, want uint64) {
		t.Helper()
		got, err := b.w.Purge(t.Context())
		if first, _, _ := b.stream.Last(t.Context(), ""); err != nil || got != want || first != want {
			t.Fatalf("%s: the stream begins at %d (%d), want %d: %v", what, first, got, want, err)
		}
	}
	b.clock.Advance(47 * time.Hour)
	b.passed["books"], b.passed["reports"] = 15, 15
	keeps("archived, but not long enough", 1)
	b.clock.Advance(2 * time.Hour)
	b.passed["reports"] = 9
	keeps("reports are at 9: the file that ends at 10 stays", 6)
	if st := b.w.Stats(); st.Slowest != "reports" || st.Floor != 9 {
		t.Errorf("the slowest is %s at %d", st.Slowest, st.Floor)
	}
	b.passed["reports"] = 15
	keeps("the last batch of the stream always stays", 11)
	b.seal(5)
	keeps("the last file is too fresh", 16)
	b.passed["books"], b.passed["reports"] = 20, 20
	b.fill(1)
	keeps("the last file is still too fresh", 16)
	pressed = true
	keeps("no room: what is archived and passed goes early, what is not sealed stays", 21)
}

func TestAFileIsReadBackBeforeTheStreamIsPurged(t *testing.T) {
	b := newBench(t, newMemory())
	b.seal(5, 5, 5)
	b.clock.Advance(100 * time.Hour)
	path := b.file(b.a.Files()[1].Name)
	raw := readFile(t, path)
	raw[len(raw)/2] ^= 4
	writeFile(t, path, raw)
	var damage *archive.Damage
	if keep, err := b.w.Purge(t.Context()); !errors.As(err, &damage) || damage.First > 6 || keep != 1 {
		t.Errorf("purged to %d over a damaged file: %v", keep, err)
	}
	done, err := b.seq.Repair(t.Context())
	if err != nil || len(done) != 1 || !strings.Contains(done[0], b.a.Files()[1].Name) {
		t.Fatalf("repair: %q %v", done, err)
	}
	if keep, err := b.w.Purge(t.Context()); err != nil || keep != 11 {
		t.Errorf("purged to %d: %v", keep, err)
	}
	b.wantAll(1, 15)
}

func TestConsumerThatCannotSayItsPositionHoldsEverything(t *testing.T) {
	b := newBench(t, newMemory())
	b.stop()
	b.cfg.Consumers = []archive.Consumer{{Name: "reports", Position: func(context.Context) (uint64, error) { return 0, errors.New("away") }}}
	b.open(nil)
	b.seal(5)
	b.clock.Advance(1000 * time.Hour)
	if _, err := b.w.Purge(t.Context()); err == nil || !strings.Contains(err.Error(), "reports") {
		t.Errorf("purge: %v", err)
	}
	if first, _, _ := b.stream.Last(t.Context(), ""); first != 1 {
		t.Errorf("the stream begins at %d", first)
	}
}

func TestRetentionRemovesOldWholeFinalFiles(t *testing.T) {
	b := newBench(t, newMemory())
	b.passed["books"] = 1 << 40
	b.stop()
	b.cfg.Retain = 20 * 24 * time.Hour
	b.open(nil)
	b.seal(5, 5)
	b.clock.Advance(10 * 24 * time.Hour)
	retire := func(want uint64, left int) {
		t.Helper()
		_, err := b.w.Retire(t.Context())
		if first, _ := b.a.Range(); err != nil || first != want || len(b.a.Files()) != left {
			t.Fatalf("the archive begins at %d with %d files, want %d with %d: %v", first, len(b.a.Files()), want, left, err)
		}
	}
	b.clock.Advance(10*24*time.Hour - 3*time.Minute) // the first file is old, the second is not yet
	retire(1, 2)                                     // the stream still has it
	b.stream.put(b.clock.Now(), batchOf(t, 11, 3))
	b.seen(11)
	if _, err := b.w.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.passed["books"] = 4
	retire(1, 2) // somebody has not passed it
	b.passed["books"] = 11
	retire(6, 1)
	if err := b.w.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := b.check(); len(r.Damage) > 0 || len(r.Strays) > 0 || r.Batches != 6 {
		t.Errorf("after retention: %+v", r)
	}
	var gap *diary.GapError
	if err := b.seq.Read(t.Context(), diary.Money, 3, 11, func(*diary.Batch) error { return nil }); !errors.As(err, &gap) || gap.Want != 3 || gap.Next != 6 {
		t.Errorf("batches that retention removed: %v", err)
	}
	b.stop()
	b.open(nil) // the chain goes on where it was cut
	if first, _ := b.a.Range(); first != 6 || len(b.check().Damage) > 0 {
		t.Errorf("reopened: begins at %d, %v", first, b.check().Damage)
	}
}

// TestSealsByAgeAndSize lets the worker's own clock seal.
func TestSealsByAgeAndSize(t *testing.T) {
	b := newBench(t, newMemory())
	b.fill(3)
	tick := func() { b.ticks <- b.clock.Now(); b.ticks <- b.clock.Now() } // the second is taken when the first was worked on
	tick()
	if len(b.a.Files()) != 0 {
		t.Fatal("sealed too early")
	}
	if lag := b.w.Stats().Lag; lag != 2*time.Minute {
		t.Errorf("lag %s, want the age of the first batch, 2m", lag)
	}
	b.clock.Advance(time.Hour)
	tick()
	if got := b.a.Files(); len(got) != 1 || got[0].Last != 3 {
		t.Fatalf("not sealed by age: %v", got)
	}
	b.stop()
	b.cfg.SealBytes = 1 << 20
	b.open(nil)
	for n := uint64(4); n < 12; n++ {
		b.stream.put(b.clock.Now(), batchOf(t, n, 1000)) // about 200 KB each
	}
	b.seen(11)
	if got := b.a.Files(); len(got) != 2 || got[1].Raw < 1<<20 || got[1].Raw > 1<<20+300_000 {
		t.Errorf("not sealed by size: %+v", got)
	}
}

// failing is a store whose n-th step fails.
type failing struct {
	archive.Store
	left int
}

var errInjected = errors.New("injected")

func (f *failing) step() error {
	if f.left--; f.left == 0 {
		return errInjected
	}
	return nil
}

func (f *failing) Create(ctx context.Context, purpose string) (archive.Pending, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	p, err := f.Store.Create(ctx, purpose)
	return &failingPending{p, f}, err
}

type failingPending struct {
	archive.Pending
	f *failing
}

func (p *failingPending) Write(b []byte) (int, error) {
	if err := p.f.step(); err != nil {
		n, _ := p.Pending.Write(b[:len(b)/2]) // a disk that fills up takes a part
		return n, err
	}
	return p.Pending.Write(b)
}

func (p *failingPending) Commit(name string) error {
	if err := p.f.step(); err != nil {
		return err
	}
	if err := p.Pending.Commit(name); err != nil {
		return err
	}
	return p.f.step() // on disk, and the answer is lost
}

// TestEveryStepMayFail: whatever step of sealing fails, and then the process
// dies, the next life has a whole archive, without a batch twice or missing.
func TestEveryStepMayFail(t *testing.T) {
	steps := 0
	for ; ; steps++ {
		b := newBench(t, newMemory())
		b.stop()
		dir, err := archive.OpenDir(b.dir)
		if err != nil {
			t.Fatal(err)
		}
		f := &failing{Store: dir, left: steps + 1}
		b.open(f)
		for _, n := range []int{3, 4, 2} {
			_, last, _ := b.stream.Last(t.Context(), "")
			for i := range uint64(n) {
				b.clock.Advance(time.Minute)
				b.stream.put(b.clock.Now(), batchOf(t, last+1+i, 3))
			}
			until(t, "the worker", func() bool { return b.w.Stats().Seen >= last+uint64(n) || b.w.Stats().Failures > 0 })
			if err := b.w.Seal(t.Context()); err != nil && !errors.Is(err, errInjected) {
				t.Fatal(err)
			}
		}
		hit := f.left <= 0
		b.stop()
		b.open(nil)
		_, last := b.a.Range()
		if last < 9 {
			b.seen(9)
			if err := b.w.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.stream.Purge(t.Context(), "", 9); err != nil {
			t.Fatal(err)
		}
		b.wantAll(1, 9)
		if r := b.check(); len(r.Damage) > 0 || len(r.Strays) > 0 {
			t.Fatalf("step %d failed: %v, strays %v", steps+1, r.Damage, r.Strays)
		}
		b.stop()
		if !hit {
			break
		}
	}
	if steps < 20 {
		t.Errorf("only %d steps could fail: the test does not reach them", steps)
	}
}

// TestAnOlderStreamIsRefused: a diary that was put back from a backup, under an
// archive that went on.
func TestAnOlderStreamIsRefused(t *testing.T) {
	b := newBench(t, newMemory())
	b.seal(10)
	b.stop()
	b.stream.batches = b.stream.batches[:6]
	b.open(nil)
	var behind *archive.BehindError
	if _, _, err := b.seq.Last(t.Context(), diary.Money); !errors.As(err, &behind) || behind.Last != 6 || behind.Archived != 10 {
		t.Errorf("an older stream: %v", err)
	}
	until(t, "the worker's complaint", func() bool { return errors.As(b.w.Stats().Trouble, &behind) })
	b.stop()
	// The same, written on: other batches under the numbers of archived ones.
	for n := uint64(7); n < 20; n++ {
		b.stream.put(b.clock.Now(), batchOf(t, n+100, 3))
	}
	b.open(nil)
	if r := b.check(); len(r.Damage) != 1 || !strings.Contains(r.Damage[0].Error(), "differ in batches 1 to 10") {
		t.Errorf("a stream that went another way: %v", r.Damage)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	b := newBench(t, newMemory())
	for _, cfg := range []archive.WorkerConfig{{}, {Archive: b.a, Source: b.stream, SealBytes: 5}, {Archive: b.a, Source: b.stream, Retain: time.Hour}} {
		if _, err := archive.NewWorker(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
	dir, err := archive.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Open(t.Context(), dir, strings.Repeat("X", 33)); err == nil {
		t.Error("a stream's name that is too long was accepted")
	}
	if _, err := archive.OpenDir("/dev/null/x"); err == nil {
		t.Error("a directory that cannot be was opened")
	}
}

// files are the names in the archive's directory.
func (b *bench) files() (names []string) {
	all, err := os.ReadDir(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

package archive_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"mazad/events"
	"mazad/events/archive"
	"mazad/events/diary"
)

// whole reads an archive that nobody writes, with a stream that has only what
// is not archived; every batch that a reader is given must be the one that was
// written.
func whole(t testing.TB, dir string, stream *memory) error {
	t.Helper()
	store, err := archive.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(t.Context(), store, diary.Money)
	if err != nil {
		return err
	}
	seq := archive.NewSequence(a, stream)
	next := uint64(1)
	err = seq.Read(t.Context(), diary.Money, 0, 1<<63, func(b *diary.Batch) error {
		if b.Seq != next || string(b.Bytes()) != string(batchOf(t, next, 3)) {
			t.Errorf("batch %d was served as %d, or with other bytes", next, b.Seq)
		}
		next++
		return nil
	})
	r, wrong := seq.Check(t.Context(), nil)
	if wrong != nil {
		return wrong
	}
	if err == nil && len(r.Damage) > 0 || err == nil && next != 22 {
		t.Errorf("read %d batches without an error; the check says %v", next-1, r.Damage)
	}
	return errors.Join(append(r.Damage, err)...)
}

// damagedBench is three sealed files of seven batches whose range has left the
// stream.
func damagedBench(t testing.TB) *bench {
	b := newBench(t, newMemory())
	b.seal(7, 7, 7)
	b.stop()
	if err := b.stream.Purge(t.Context(), "", 21); err != nil {
		t.Fatal(err)
	}
	if err := whole(t, b.dir, b.stream); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEveryFlippedBitIsFoundAndNamed flips one bit of every byte of a file and
// of the manifest. Bytes of all classes are among them: header, block heads,
// compressed batches, index, footer, lines of the manifest.
func TestEveryFlippedBitIsFoundAndNamed(t *testing.T) {
	b := damagedBench(t)
	rng := rand.New(rand.NewPCG(8, 20))
	for _, name := range []string{b.a.Files()[1].Name, "manifest"} {
		path := b.file(name)
		good := readFile(t, path)
		for i := range good {
			raw := append([]byte(nil), good...)
			bit := rng.IntN(8)
			raw[i] ^= 1 << bit
			writeFile(t, path, raw)
			err := whole(t, b.dir, b.stream)
			if err == nil || !strings.Contains(err.Error(), name) || !errors.Is(err, events.ErrDamaged) && !errors.Is(err, events.ErrVersion) {
				t.Fatalf("%s: bit %d of byte %d flipped: %v", name, bit, i, err)
			}
			var damage *archive.Damage
			if errors.As(err, &damage) && damage.Offset > int64(i) {
				t.Fatalf("%s: byte %d flipped, named as offset %d: %v", name, i, damage.Offset, err)
			}
		}
		writeFile(t, path, good)
	}
	if err := whole(t, b.dir, b.stream); err != nil {
		t.Error(err)
	}
}

// TestOffsetsAreExact: a flip in a known part is named with that part's offset.
func TestOffsetsAreExact(t *testing.T) {
	b := damagedBench(t)
	e := b.a.Files()[2]
	good := readFile(t, b.file(e.Name))
	size := int64(len(good))
	indexAt := int64(binary.LittleEndian.Uint64(good[size-144+64:]))
	for at, want := range map[int64]int64{20: 0, 64 + 3: 64, 64 + 200: 64, indexAt + 20: indexAt, size - 1: size - 144} {
		raw := append([]byte(nil), good...)
		raw[at] ^= 0x10
		writeFile(t, b.file(e.Name), raw)
		var damage *archive.Damage
		if err := whole(t, b.dir, b.stream); !errors.As(err, &damage) || damage.File != e.Name || damage.Offset != want || damage.First != 15 || damage.Last != 21 {
			t.Errorf("byte %d: named %+v, want offset %d", at, damage, want)
		}
	}
}

func TestTruncatedMissingAndSwappedFilesAreNamed(t *testing.T) {
	b := damagedBench(t)
	names := []string{b.a.Files()[0].Name, b.a.Files()[1].Name, b.a.Files()[2].Name, "manifest"}
	var good [4][]byte
	for i, name := range names {
		good[i] = readFile(t, b.file(name))
	}
	restore := func() {
		for i, name := range names {
			writeFile(t, b.file(name), good[i])
		}
	}
	named := func(what, name string, cause error) {
		t.Helper()
		if err := whole(t, b.dir, b.stream); err == nil || !strings.Contains(err.Error(), name) || !errors.Is(err, cause) {
			t.Errorf("%s: %v", what, err)
		}
		restore()
	}
	for i, name := range names {
		for _, keep := range []int{0, 1, len(good[i]) / 2, len(good[i]) - 1} {
			writeFile(t, b.file(name), good[i][:keep])
			named("cut", name, events.ErrDamaged)
		}
		writeFile(t, b.file(name), append(append([]byte(nil), good[i]...), 0))
		named("grown", name, events.ErrDamaged)
	}
	for _, name := range names[:3] {
		remove(t, b.file(name))
		named("missing", name, fs.ErrNotExist)
	}
	remove(t, b.file("manifest"))
	named("missing manifest", "manifest", events.ErrDamaged)
	writeFile(t, b.file(names[1]), good[0])
	named("swapped", names[1], events.ErrDamaged)

	// Sound files of another archive: same numbers, other content.
	other := newBench(t, newMemory())
	for n := uint64(1); n <= 7; n++ {
		other.stream.put(other.clock.Now(), batchOf(t, 500+n, 3))
	}
	other.seen(7)
	if err := other.w.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	writeFile(t, b.file(names[0]), readFile(t, other.file(names[0])))
	named("another archive's file", names[0], events.ErrDamaged)
	for _, name := range []string{names[0], "manifest"} {
		writeFile(t, b.file(name), readFile(t, other.file(name)))
	}
	b.open(nil) // sound in itself: but it ends at 7, and the stream begins at 21
	if r := b.check(); len(r.Damage) != 1 || !strings.Contains(r.Damage[0].Error(), "batches 8 to 20 are gone") {
		t.Errorf("another archive as a whole: %v", r.Damage)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestDamageIsRepairedFromTheStream: while the stream holds a file's range, the
// file is written again; else the answer is a backup.
func TestDamageIsRepairedFromTheStream(t *testing.T) {
	b := newBench(t, newMemory())
	b.seal(7, 7, 7)
	b.stop()
	e := b.a.Files()
	before := map[string][]byte{}
	for _, name := range b.files() {
		before[name] = readFile(t, b.file(name))
	}
	remove(t, b.file(e[0].Name))
	writeFile(t, b.file(e[1].Name), before[e[1].Name][:100])
	raw := append([]byte(nil), before[e[2].Name]...)
	raw[80] ^= 1
	writeFile(t, b.file(e[2].Name), raw)
	if err := b.stream.Purge(t.Context(), "", 8); err != nil { // the first file cannot be written again
		t.Fatal(err)
	}
	b.open(nil)
	if got := b.a.Suspects(); len(got) != 2 { // the flipped bit is found by reading only
		t.Errorf("suspects: %v", got)
	}
	r := b.check()
	if len(r.Damage) != 3 {
		t.Fatalf("damage: %v", r.Damage)
	}
	for i, want := range []string{"restore the file from a backup", "the stream still holds batches 8 to 14: `mazad archive repair`", "the stream still holds batches 15 to 21"} {
		if got := r.Damage[i].Error(); !strings.Contains(got, e[i].Name) || !strings.Contains(got, want) {
			t.Errorf("file %d: %s", i, got)
		}
	}
	done, err := b.seq.Repair(t.Context())
	if err == nil || !strings.Contains(err.Error(), e[0].Name) || len(done) != 2 {
		t.Errorf("repair: %q, left: %v", done, err)
	}
	for _, name := range []string{e[1].Name, e[2].Name} {
		if string(readFile(t, b.file(name))) != string(before[name]) {
			t.Errorf("%s is not what it was", name)
		}
	}
	writeFile(t, b.file(e[0].Name), before[e[0].Name]) // from the backup
	if r := b.check(); len(r.Damage) > 0 {
		t.Errorf("after the repair: %v", r.Damage)
	}
	b.wantAll(1, 21)
}

// TestAManifestIsMadeAgain from the files alone, which carry their chain.
func TestAManifestIsMadeAgain(t *testing.T) {
	b := damagedBench(t)
	good := readFile(t, b.file("manifest"))
	for what, spoil := range map[string]func(){
		"missing": func() { remove(t, b.file("manifest")) },
		"flipped": func() { raw := append([]byte(nil), good...); raw[30] ^= 1; writeFile(t, b.file("manifest"), raw) },
	} {
		spoil()
		b.open(nil)
		if b.a.Trouble() == nil {
			t.Fatalf("%s: no trouble", what)
		}
		until(t, "the worker's complaint", func() bool { return b.w.Stats().Trouble != nil })
		// What the stream has is read all the same.
		if err := b.seq.Read(t.Context(), diary.Money, 21, 21, func(*diary.Batch) error { return nil }); err != nil {
			t.Errorf("%s: batches of the stream: %v", what, err)
		}
		if done, err := b.seq.Repair(t.Context()); err != nil || len(done) != 1 {
			t.Fatalf("%s: repair: %q %v", what, done, err)
		}
		b.wantAll(1, 21)
		b.stop()
		if string(readFile(t, b.file("manifest"))) != string(good) {
			t.Errorf("%s: the manifest is not what it was", what)
		}
	}
	// Not without the newest file: the stream does not reach that far back.
	remove(t, b.file("manifest"))
	remove(t, b.file(b.a.Files()[2].Name))
	b.open(nil)
	if _, err := b.seq.Repair(t.Context()); err == nil || !strings.Contains(err.Error(), "end at batch 14, and the stream begins at 21") {
		t.Errorf("a manifest without the newest file: %v", err)
	}
}

func TestUnknownVersionStopsWithItsName(t *testing.T) {
	b := damagedBench(t)
	name := b.a.Files()[0].Name
	good := readFile(t, b.file(name))
	size := int64(len(good))
	indexAt := int64(binary.LittleEndian.Uint64(good[size-144+64:]))
	for _, at := range []int64{0, 64, indexAt, size - 144} {
		raw := append([]byte(nil), good...)
		raw[at+3] = 9
		writeFile(t, b.file(name), raw)
		if err := whole(t, b.dir, b.stream); !errors.Is(err, events.ErrVersion) || !strings.Contains(err.Error(), "archive format v9, this build reads v1") {
			t.Errorf("version byte at %d: %v", at+3, err)
		}
	}
	writeFile(t, b.file(name), good)
	writeFile(t, b.file("manifest"), []byte("5c9a8d2e {\"manifest\":7,\"stream\":\"MONEY\",\"files\":0}\n"))
	store, err := archive.OpenDir(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Open(t.Context(), store, diary.Money); err != nil && errors.Is(err, events.ErrVersion) {
		t.Errorf("a manifest whose checksum does not hold was believed: %v", err)
	}
	writeFile(t, b.file("manifest"), archive.Line(`{"manifest":7,"stream":"MONEY","files":0}`))
	if _, err := archive.Open(t.Context(), store, diary.Money); !errors.Is(err, events.ErrVersion) || !strings.Contains(err.Error(), "archive manifest v7") {
		t.Errorf("a manifest of another version: %v", err)
	}
}

// TestForgettingAUserNeedsNoFileRewritten: the personal block in a sealed file
// becomes unreadable with the user's key; figures and bytes stay.
func TestForgettingAUserNeedsNoFileRewritten(t *testing.T) {
	keys := keyring{3: {1}, 4: {2}}
	enc := events.Encoder{Keys: keys}
	var w events.BatchWriter
	for i, ord := range []uint32{3, 4, 3} {
		r := events.Record{Kind: events.KindImpression, Verdict: events.VerdictBilled, BilledNanos: 1000}
		r.ID.Hi, r.ID.Lo = 7, uint64(i)
		r.Personal = events.Personal{State: events.PrivacyOpen, Ord: ord, UserAgent: []byte("findable-agent")}
		raw, err := enc.Append(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		w.Add(raw)
	}
	b := newBench(t, newMemory())
	b.stream.put(began, w.Finish(1, 1, began.UnixMilli()))
	b.stream.put(began, batchOf(t, 2, 3))
	b.seen(2)
	if err := b.w.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(100 * time.Hour)
	b.stream.put(b.clock.Now(), batchOf(t, 3, 3))
	if _, err := b.w.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.stream.Purge(t.Context(), "", 3); err != nil {
		t.Fatal(err)
	}
	name := b.a.Files()[0].Name
	sealed := readFile(t, b.file(name))
	read := func() (open, forgotten int, spend int64) {
		err := b.seq.Read(t.Context(), diary.Money, 1, 1, func(got *diary.Batch) error {
			return got.Each(keys, func(r *events.Record) error {
				spend += int64(r.BilledNanos)
				switch r.Personal.State {
				case events.PrivacyOpen:
					open++
				case events.PrivacyForgotten:
					forgotten++
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		return open, forgotten, spend
	}
	if open, forgotten, spend := read(); open != 3 || forgotten != 0 || spend != 3000 {
		t.Fatalf("before: %d open, %d forgotten, %d nanos", open, forgotten, spend)
	}
	delete(keys, 3)
	if open, forgotten, spend := read(); open != 1 || forgotten != 2 || spend != 3000 {
		t.Errorf("after: %d open, %d forgotten, %d nanos", open, forgotten, spend)
	}
	if string(readFile(t, b.file(name))) != string(sealed) || len(b.check().Damage) > 0 {
		t.Error("the sealed file changed, or is not whole")
	}
	// The compressed bytes hold nothing in the clear either.
	if strings.Contains(string(sealed), "findable") {
		t.Error("a personal block is readable in the file")
	}
}

type keyring map[uint32][32]byte

func (k keyring) Key(ord uint32) ([32]byte, bool) { key, ok := k[ord]; return key, ok }

package events_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"mazad/events"
	"mazad/internal/id"
)

func replayOf(ord uint32, body []byte) *events.Record {
	return &events.Record{ID: id.Event{Hi: 9, Lo: uint64(ord)}, Kind: events.KindReplay, Body: body,
		Personal: events.Personal{State: events.PrivacyOpen, Ord: ord}}
}

// The body of a replay is about its user: it is sealed under the user's key, and
// gone when the key is gone.
func TestReplayBodyIsSealedAndForgotten(t *testing.T) {
	keys := testKeys()
	enc := events.Encoder{Keys: keys}
	body := []byte(strings.Repeat("MARK of what the user is like ", 40))
	b, err := enc.Append(nil, replayOf(3, body))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("MARK")) {
		t.Fatal("the body is readable")
	}
	var r events.Record
	if _, err := events.Decode(b, &r, keys); err != nil || !bytes.Equal(r.Body, body) || r.Personal.State != events.PrivacyOpen {
		t.Fatalf("%v, %d bytes of body, %v", err, len(r.Body), r.Personal.State)
	}
	delete(keys, 3)
	if _, err := events.Decode(b, &r, keys); err != nil || len(r.Body) != 0 || r.Personal.State != events.PrivacyForgotten || r.Personal.Ord != 3 {
		t.Fatalf("forgotten: %v, %d bytes of body, %v", err, len(r.Body), r.Personal.State)
	}
	late, err := enc.Append(nil, replayOf(3, body)) // forgotten between the auction and the batch
	if err != nil || bytes.Contains(late, []byte("MARK")) {
		t.Fatalf("a body without a key is written in the clear: %v", err)
	}
	plain := replayOf(0, body) // contextual: nothing personal
	plain.Personal = events.Personal{}
	if b, err = enc.Append(nil, plain); err != nil || !bytes.Contains(b, []byte("MARK")) {
		t.Fatalf("a body without a user: %v", err)
	}
}

// A sealed body cannot be read as another record's, and its limits are its own.
func TestReplayBodyHasItsPlaceAndItsLimit(t *testing.T) {
	keys := testKeys()
	keys[4] = keys[3]
	enc := events.Encoder{Keys: keys}
	a, err := enc.Append(nil, replayOf(3, []byte("first body")))
	if err != nil {
		t.Fatal(err)
	}
	b, err := enc.Append(nil, replayOf(4, []byte("other body")))
	if err != nil {
		t.Fatal(err)
	}
	moved := bytes.Clone(a)
	const section = 12 + 4 + 10 + 16 // nonce, length, the body, its tag
	copy(moved[len(moved)-section:], b[len(b)-section:])
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(moved[8:], crc32.Update(crc32.Checksum(moved[:8], table), table, moved[12:]))
	var r events.Record
	if _, err := events.Decode(moved, &r, keys); !errors.Is(err, events.ErrDamaged) {
		t.Errorf("a body of another record: %v", err)
	}
	if _, err := enc.Append(nil, replayOf(3, make([]byte, events.MaxReplay))); err != nil {
		t.Errorf("the largest body: %v", err)
	}
	if _, err := enc.Append(nil, replayOf(3, make([]byte, events.MaxReplay+1))); !errors.Is(err, events.ErrLimit) {
		t.Errorf("a body too large: %v", err)
	}
	other := replayOf(3, make([]byte, events.MaxBody+1))
	other.Kind = events.KindBudgetTick
	if _, err := enc.Append(nil, other); !errors.Is(err, events.ErrLimit) {
		t.Errorf("the limit of other kinds: %v", err)
	}
	clear, err := enc.AppendClear(nil, replayOf(3, make([]byte, events.MaxReplay)))
	if err == nil {
		_, err = enc.Seal(nil, clear, &r)
	}
	if err != nil {
		t.Errorf("by way of the ring: %v", err)
	}
}

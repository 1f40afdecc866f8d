package bench

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mazad/events"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ackBook remembers what the node said it had on disk.
type ackBook struct {
	acked    []use
	repeated int // answered "repeat": a retry of what was on disk already
	refused  int // answered "overload": to be sent again
}

// read books a shot's answer and returns how many events it acknowledged.
func (b *ackBook) read(s *shot) (int, error) {
	if len(s.uses) == 1 && s.answer == nil { // a beacon
		if s.status == 200 || s.status == 204 {
			b.acked = append(b.acked, s.uses[0])
			return 1, nil
		}
		return 0, nil
	}
	if s.status == 0 {
		return 0, nil
	}
	var answer struct {
		Results []struct{ Status string }
	}
	if err := json.Unmarshal(s.answer, &answer); err != nil {
		return 0, fmt.Errorf("answer %d to a batch: %w: %.200s", s.status, err, s.answer)
	}
	if s.status == 503 {
		b.refused += len(s.uses)
		return 0, nil
	}
	if len(answer.Results) != len(s.uses) {
		return 0, fmt.Errorf("a batch of %d events is answered with %d results: %.200s", len(s.uses), len(answer.Results), s.answer)
	}
	n := 0
	for i, r := range answer.Results {
		switch r.Status {
		case "billed", "free":
			b.acked = append(b.acked, s.uses[i])
			n++
		case "repeat": // on disk since an earlier try
			b.acked = append(b.acked, s.uses[i])
			b.repeated++
		case "overload":
			b.refused++
		default:
			return n, fmt.Errorf("an event is answered %q", r.Status)
		}
	}
	return n, nil
}

// mark is what a token may be used for once.
type mark struct {
	generation uint32
	serial     uint64
	kind       uint8
}

// sealer opens tokens with the node's own key.
func (in *ingest) sealer() (*events.Sealer, error) {
	raw, err := os.ReadFile(filepath.Join(in.node.Dir, "token.key"))
	if err != nil {
		return nil, fmt.Errorf("the node's token key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil {
		return nil, fmt.Errorf("the node's token key: %w", err)
	}
	return events.NewSealer(events.Secret{ID: 1, Bytes: key})
}

func advertiserOf(sealer *events.Sealer, token []byte) (int64, error) {
	var t events.Token
	if st := sealer.Open(&t, token, events.UseAttribution, 0); !st.Authentic() {
		return 0, fmt.Errorf("a token of the node is %s", st)
	}
	return int64(t.Advertiser), nil
}

// marks opens the tokens of what was acknowledged.
func (b *ackBook) marks(sealer *events.Sealer) ([]mark, error) {
	out := make([]mark, len(b.acked))
	var t events.Token
	for i, u := range b.acked {
		if st := sealer.Open(&t, u.token, events.UseAttribution, 0); !st.Authentic() {
			return nil, fmt.Errorf("a token that was acknowledged is %s", st)
		}
		out[i] = mark{t.ID.Generation, t.ID.Serial, uint8(kindOf(u))}
	}
	return out, nil
}

func kindOf(u use) events.Kind {
	if u.view {
		return events.KindView
	}
	return events.KindImpression
}

// audit compares what was acknowledged with ClickHouse: lost was acknowledged
// and is not there, doubled is counted more than once.
func (b *ackBook) audit(ctx context.Context, sealer *events.Sealer, conn driver.Conn) (lost, doubled int, rows uint64, err error) {
	marks, err := b.marks(sealer)
	if err != nil {
		return 0, 0, 0, err
	}
	there := make(map[mark]uint64, len(marks))
	r, err := conn.Query(ctx, "SELECT token_generation, token_serial, toUInt8(kind), sum(counted), count() FROM mazad.events GROUP BY 1, 2, 3")
	if err != nil {
		return 0, 0, 0, fmt.Errorf("read the events: %w", err)
	}
	for r.Next() {
		var m mark
		var counted, copies uint64
		if err := r.Scan(&m.generation, &m.serial, &m.kind, &counted, &copies); err != nil {
			return 0, 0, 0, errors.Join(err, r.Close())
		}
		there[m], rows = counted, rows+copies
		if counted > 1 {
			doubled += int(counted) - 1
		}
	}
	for _, m := range marks {
		if there[m] == 0 {
			lost++
		}
	}
	var same int64
	if err := errors.Join(r.Err(), r.Close()); err != nil {
		return 0, 0, 0, err
	}
	if err := conn.QueryRow(ctx, "SELECT count() - uniqExact(event_hi, event_lo) FROM mazad.events").Scan(&same); err != nil {
		return 0, 0, 0, fmt.Errorf("count doubled events: %w", err)
	}
	return lost, doubled + int(same), rows, nil
}

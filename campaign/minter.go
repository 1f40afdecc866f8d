package campaign

import (
	"fmt"
	"sync"
	"time"

	"mazad/internal/clock"
)

// Layout of an object id: 41 bits of milliseconds since idEpoch, 10 of node, 12
// of sequence.
const (
	idNodeBits = 10
	idSeqBits  = 12
	idMaxNode  = 1<<idNodeBits - 1
	idMaxSeq   = 1<<idSeqBits - 1
)

// idEpoch is 2024-01-01 UTC in milliseconds since the Unix epoch. It is part of
// every id ever minted and never changes.
const idEpoch = 1_704_067_200_000

// Minter makes object ids. They rise within a process whatever the clock does:
// when it goes back, or more than 4,096 are asked for in a millisecond, the
// Minter goes on from where it was and borrows from the future.
type Minter struct {
	clock clock.Clock
	node  int64

	mu  sync.Mutex
	ms  int64 // of the last id
	seq int64
}

// NewMinter returns a Minter for a node that lets no other process use its
// number. after is the highest id in the store: a clock that went back while
// the process was down must not mint an id again.
func NewMinter(c clock.Clock, node uint16, after int64) (*Minter, error) {
	if node > idMaxNode {
		return nil, fmt.Errorf("node %d: must be at most %d", node, idMaxNode)
	}
	return &Minter{clock: c, node: int64(node), ms: after >> (idNodeBits + idSeqBits), seq: idMaxSeq}, nil
}

// Next returns an id greater than every id before it.
func (m *Minter) Next() int64 {
	now := m.clock.Now().UnixMilli() - idEpoch
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case now > m.ms:
		m.ms, m.seq = now, 0
	case m.seq < idMaxSeq:
		m.seq++
	default:
		m.ms, m.seq = m.ms+1, 0
	}
	return m.ms<<(idNodeBits+idSeqBits) | m.node<<idSeqBits | m.seq
}

// MintedAt is when an id was minted, to the millisecond.
func MintedAt(objectID int64) time.Time {
	return time.UnixMilli(objectID>>(idNodeBits+idSeqBits) + idEpoch).UTC()
}

package manage

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxTokenUse bounds how many tokens' last use wait to be written.
const maxTokenUse = 10_000

// tokenUse remembers when tokens were used, so that a request does not write.
type tokenUse struct {
	lost atomic.Uint64

	mu   sync.Mutex
	last map[int64]time.Time
}

func (u *tokenUse) note(token int64, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[int64]time.Time{}
	}
	if _, known := u.last[token]; !known && len(u.last) >= maxTokenUse {
		u.lost.Add(1)
		return
	}
	u.last[token] = at
}

func (u *tokenUse) take() map[int64]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := u.last
	u.last = nil
	return out
}

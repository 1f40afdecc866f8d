package events

import "mazad/internal/id"

// clickLog keeps the newest clicks in a ring, by arrival, with an index by token
// and chains by (advertiser, user). Serial numbers count arrivals from 1; a link
// to a serial that the ring has overwritten is simply the end of the chain.
type clickLog struct {
	limit   int
	ring    []clickNode
	head    uint64 // serial of the newest click
	byUser  map[clickUser]uint64
	byToken map[TokenID]uint64
}

type clickUser struct {
	advertiser id.Advertiser
	user       uint32
}

type clickNode struct {
	Click
	prev uint64 // the user's click that arrived before
}

// maxChain bounds the search for a user's last click; a user with more clicks on
// one advertiser within the window is judged by the newest that arrived.
const maxChain = 32

// add appends a click and reports whether a younger one than ClickWindow had to go.
func (l *clickLog) add(c *Click) (evicted bool) {
	n := clickNode{Click: *c}
	serial := l.head + 1
	if len(l.ring) < l.limit {
		l.ring = append(l.ring, clickNode{})
	} else {
		old := l.at(serial - uint64(l.limit))
		evicted = inWindow(old.TimeMS, c.TimeMS)
		l.drop(old, serial-uint64(l.limit))
	}
	if c.HasUser {
		key := clickUser{c.Advertiser, c.User}
		n.prev = l.byUser[key]
		l.byUser[key] = serial
	}
	l.byToken[c.Token] = serial
	l.ring[(serial-1)%uint64(l.limit)] = n
	l.head = serial
	return evicted
}

func (l *clickLog) drop(old *clickNode, serial uint64) {
	if l.byToken[old.Token] == serial {
		delete(l.byToken, old.Token)
	}
	if key := (clickUser{old.Advertiser, old.User}); old.HasUser && l.byUser[key] == serial {
		delete(l.byUser, key)
	}
}

// at returns the node of a serial that the ring still holds, else nil.
func (l *clickLog) at(serial uint64) *clickNode {
	if serial == 0 || serial > l.head || l.head-serial >= uint64(l.limit) {
		return nil
	}
	return &l.ring[(serial-1)%uint64(l.limit)]
}

func (l *clickLog) ofToken(t TokenID) *Click {
	if n := l.at(l.byToken[t]); n != nil {
		return &n.Click
	}
	return nil
}

// lastOf is the latest click of the user that a conversion at saleMS may be
// credited to.
func (l *clickLog) lastOf(key clickUser, saleMS int64) *Click {
	var best *Click
	n := l.at(l.byUser[key])
	for i := 0; n != nil && i < maxChain; i++ {
		if inWindow(n.TimeMS, saleMS) && (best == nil || n.TimeMS > best.TimeMS) {
			best = &n.Click
		}
		n = l.at(n.prev)
	}
	return best
}

// dedupLog remembers when each conversion was first heard of, for DedupWindow,
// newest `limit` of them.
type dedupLog struct {
	limit int
	at    map[dedupKey]int64
	order []dedupEntry // by arrival; a ring once it has limit entries
	first int          // oldest entry
	count int
}

type dedupEntry struct {
	key dedupKey
	ms  int64
}

// mark reports whether key was heard of within DedupWindow before ms; if not it
// is remembered. evicted counts entries that had to go too early.
func (l *dedupLog) mark(key dedupKey, ms int64) (again bool, evicted int) {
	window := DedupWindow.Milliseconds()
	if first, ok := l.at[key]; ok && ms-first < window {
		return true, 0
	}
	for l.count > 0 && (l.count == l.limit || ms-l.order[l.first].ms >= window) {
		old := l.order[l.first]
		if ms-old.ms < window {
			evicted++
		}
		if l.at[old.key] == old.ms {
			delete(l.at, old.key)
		}
		l.first = (l.first + 1) % len(l.order)
		l.count--
	}
	l.at[key] = ms
	l.push(dedupEntry{key, ms})
	return false, evicted
}

// push appends to the ring, which doubles until it has limit entries.
func (l *dedupLog) push(e dedupEntry) {
	if l.count == len(l.order) {
		bigger := make([]dedupEntry, min(l.limit, max(64, 2*len(l.order))))
		for i := range l.count {
			bigger[i] = l.order[(l.first+i)%len(l.order)]
		}
		l.order, l.first = bigger, 0
	}
	l.order[(l.first+l.count)%len(l.order)] = e
	l.count++
}

package audience

// Allows tells whether Reserve would find room for one more impression, without
// counting one: what a request asks before an ad group competes, so that a
// capped one does not win a slot only to be refused. A pair that was never seen
// is allowed. Another request may still be faster; Reserve decides.
func (f *Frequency) Allows(user, adGroup uint64, c Cap, today Day) bool {
	return c.Validate() == nil && f.Seen(user, adGroup, c, today) < int(c.Impressions)
}

// Seen is what Allows compares with the cap: the impressions in the window that
// ends today.
func (f *Frequency) Seen(user, adGroup uint64, c Cap, today Day) int {
	h := hashPair(f.seed, user, adGroup)
	s := &f.shards[h%frequencyShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	mask := uint64(len(s.entries)/bucketWays - 1)
	for _, start := range [2]uint64{h >> 8 & mask * bucketWays, h >> 36 & mask * bucketWays} {
		for i := start; i < start+bucketWays; i++ {
			e := &s.entries[i]
			if e.taken && e.user == user && e.adGroup == adGroup {
				return e.seen(c, today)
			}
		}
	}
	return 0
}

// seen counts the impressions in the window that ends today, without moving the
// entry: counts[0] is the entry's own day.
func (e *frequencyEntry) seen(c Cap, today Day) (n int) {
	age := int64(today) - int64(e.day)
	if age > MaxCapDays || age < -MaxCapDays-1 {
		return 0
	}
	for i := range min(max(int64(c.Days)-max(age, 0), 0), MaxCapDays) {
		n += int(e.counts[i])
	}
	return n
}

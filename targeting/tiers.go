package targeting

// Tier is a run of consecutive rules with an index of its own. When the rules are
// in descending order of what they can be worth, a request that looks at the tiers
// one after another and stops when no other can change its outcome meets few
// rules however many there are, and the first tiers stay in the caches.
type Tier struct {
	Index *Index
	From  Ord // of its first rule among all; its rule i is From+i
}

// FirstTier is the size of the first tier and tierGrowth how many times larger
// each other is than the one before it; docs/decisions/0021 has the measurement.
const (
	FirstTier  = 512
	tierGrowth = 4
)

// BuildTiers divides rules into tiers, the first with `first` of them, and builds
// their indexes.
func BuildTiers(rules []Rule, first int) (tiers []Tier) {
	from := 0
	for _, end := range tierEnds(len(rules), first) {
		tiers = append(tiers, Tier{Index: Build(rules[from:end]), From: Ord(from)})
		from = end
	}
	return tiers
}

// tierEnds divides n ranks. What would be left over for a tier smaller than its
// predecessor joins that one.
func tierEnds(n, first int) (ends []int) {
	for at, size := 0, max(first, 1); at < n; size *= tierGrowth {
		if at += size; at > n || n-at < size {
			at = n
		}
		ends = append(ends, at)
	}
	return ends
}

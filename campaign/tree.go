package campaign

import (
	"cmp"
	"slices"

	"mazad/internal/id"
)

// With is the tree t with the edits of delta, a tree from Publisher.LoadSince,
// on top. Neither is changed.
func (t Tree) With(delta Tree) Tree {
	out := Tree{
		Revision:    max(t.Revision, delta.Revision),
		Advertisers: merge(t.Advertisers, delta.Advertisers, func(a *Advertiser) id.Advertiser { return a.ID }),
		Campaigns:   merge(t.Campaigns, delta.Campaigns, func(c *Campaign) id.Campaign { return c.ID }),
		AdGroups:    merge(t.AdGroups, delta.AdGroups, func(g *AdGroup) id.AdGroup { return g.ID }),
		Ads:         merge(t.Ads, delta.Ads, func(a *Ad) id.Ad { return a.ID }),
	}
	out.Prune()
	return out
}

// merge joins two lists that are sorted by id; where both have an id, what is
// newer stays.
func merge[T any, I ~int64](old, newer []T, key func(*T) I) []T {
	if len(newer) == 0 {
		return slices.Clone(old)
	}
	out := make([]T, 0, len(old)+len(newer))
	for len(old) > 0 && len(newer) > 0 {
		switch cmp.Compare(key(&old[0]), key(&newer[0])) {
		case -1:
			out, old = append(out, old[0]), old[1:]
		case 0:
			old = old[1:]
		default:
			out, newer = append(out, newer[0]), newer[1:]
		}
	}
	return append(append(out, old...), newer...)
}

// Prune drops, in place, what is deleted and what is below something deleted.
func (t *Tree) Prune() {
	t.Campaigns = slices.DeleteFunc(t.Campaigns, func(c Campaign) bool { return c.OperationStatus == Delete })
	lives := make(map[id.Campaign]bool, len(t.Campaigns))
	for i := range t.Campaigns {
		lives[t.Campaigns[i].ID] = true
	}
	t.AdGroups = slices.DeleteFunc(t.AdGroups, func(g AdGroup) bool { return g.OperationStatus == Delete || !lives[g.Campaign] })
	groups := make(map[id.AdGroup]bool, len(t.AdGroups))
	for i := range t.AdGroups {
		groups[t.AdGroups[i].ID] = true
	}
	t.Ads = slices.DeleteFunc(t.Ads, func(a Ad) bool { return a.OperationStatus == Delete || !groups[a.AdGroup] })
}

package world

import (
	"time"

	"mazad/audience"
	"mazad/audience/store"
	"mazad/bench/body"
	"mazad/campaign"
	"mazad/campaign/campaigntest"
	"mazad/targeting"
	"mazad/targeting/targetingtest"
)

// Tree is the tree of a World for a node that keeps it in its store: every ad
// group pays per impression, as a store demands of the trees' one objective.
func Tree(adGroups int, seed uint64, start time.Time) campaign.Tree {
	tree := campaigntest.Tree(campaigntest.Options{AdGroups: adGroups, Seed: seed, CPMOnly: true, Start: start.Truncate(24 * time.Hour)})
	newAtlas(body.Markets()).rename(&tree)
	for i := range tree.AdGroups { // a store refuses a bid above the budget
		g := &tree.AdGroups[i]
		g.Budget = max(g.Budget, 2*g.BidPrice)
	}
	return tree
}

// Users are the people of a World, as an app would tell a node of them.
func Users(n int, seed uint64) []store.User {
	atlas := newAtlas(body.Markets())
	queries := targetingtest.Queries(n, seed)
	out := make([]store.User, n)
	for i := range queries {
		q := &queries[i]
		atlas.renameQuery(q)
		out[i] = store.User{
			ID: string(userID(i)), Age: ages[max(q.Age, targeting.Age18_24)], Gender: audience.Gender(q.Gender),
			Language: audience.Language(q.Language), Consent: audience.ConsentGranted,
			Interests: ascending(q.Interests), Segments: ascending(q.Segments),
		}
	}
	return out
}

// Package campaign is what people edit: business centers, advertisers,
// campaigns, ad groups and ads, with the names of the TikTok Business API v1.3.
//
// Contract: validation is pure and reports every mistake it finds as an Errors
// list, each naming field, value and limit. An object belongs to one advertiser
// for life; asking for another advertiser's object answers NotFound, never
// Forbidden, so that nothing is learnt about it (I11). Every edit gets a
// Revision in the same transaction as the edit itself, and a Tree is always
// consistent at one Revision. What an ad group asks for becomes a
// targeting.Rule in AdGroup.Rule; whether something is delivering is answered
// by Effective alone. Storage is behind Store; campaign/sqlstore implements it
// and campaign/storetest says what every implementation must do.
//
// Units: budgets and bids are money.Micros of the advertiser's currency (a CPM
// bid is micros per thousand impressions). Times are UTC; the budget day and
// dayparting follow the advertiser's zone, fixed at creation.
//
// Concurrency: the types are values and the functions are pure. A Store and a
// Minter may be used from any goroutine.
//
// Limits: the Max constants in limits.go; an input beyond one is refused with
// the limit in the message.
package campaign

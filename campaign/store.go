package campaign

import (
	"context"
	"encoding/json"
	"time"

	"mazad/internal/id"
)

// Revision numbers edits from 1, without regard to nodes. A Tree at revision r
// holds every edit up to r and none after.
type Revision int64

// Edit is who changes something and how. The zero value of the rest means: no
// version check, really do it, not repeatable.
type Edit struct {
	Actor     string // shown in the change log: "token mzd_management_k3x7qa", "operator"
	IfVersion int64  // the version that the caller saw (If-Match); another one is a Conflict
	DryRun    bool   // check everything, change nothing (validate_only); the answer is what would be

	// A create with a Key happens once: the same key with the same body answers
	// what the first one answered, with another body it is a Conflict. A key
	// lives for KeyLifetime and belongs to the advertiser.
	Key      string
	BodyHash [32]byte
}

// KeyLifetime is how long an idempotency key is remembered.
const KeyLifetime = 48 * time.Hour

// MaxKey is the longest idempotency key in bytes.
const MaxKey = 128

// Paging picks a part of a list. The zero value is the first ten.
type Paging struct {
	Page     int // from 1
	PageSize int // at most MaxPageSize
}

// Page is a part of a list, newest first.
type Page[T any] struct {
	List  []T
	Total int
}

// AdvertiserQuery filters advertisers; empty fields do not filter.
type AdvertiserQuery struct {
	Paging
	IDs            []id.Advertiser
	BusinessCenter id.BusinessCenter
	Name           string // part of the name, upper and lower case alike for ASCII
}

// Query filters campaigns, ad groups or ads of one advertiser; empty fields do
// not filter. Without Statuses, what is deleted is left out.
type Query struct {
	Paging
	IDs       []int64
	Campaigns []id.Campaign // ad groups and ads
	AdGroups  []id.AdGroup  // ads
	Name      string        // part of the name, upper and lower case alike for ASCII
	Statuses  []OperationStatus
	Objective Objective // campaigns
}

// ObjectKind says what was edited.
type ObjectKind string

// The kinds of objects that have revisions.
const (
	KindBusinessCenter ObjectKind = "BC"
	KindAdvertiser     ObjectKind = "ADVERTISER"
	KindCampaign       ObjectKind = "CAMPAIGN"
	KindAdGroup        ObjectKind = "ADGROUP"
	KindAd             ObjectKind = "AD"
	KindToken          ObjectKind = "TOKEN"
)

// Change is one line of the change log.
type Change struct {
	Revision   Revision
	At         time.Time
	Actor      string
	Kind       ObjectKind
	Object     int64
	Advertiser id.Advertiser
	Before     json.RawMessage // nil for a create
	After      json.RawMessage
}

// Touched names an object that changed.
type Touched struct {
	Kind   ObjectKind
	Object int64
}

// Tree is everything that is not deleted, and not below something deleted, at
// one Revision. Each list is sorted by id.
type Tree struct {
	Revision    Revision
	Advertisers []Advertiser
	Campaigns   []Campaign
	AdGroups    []AdGroup
	Ads         []Ad
}

// Generation is one life of one node. Ids and tokens carry the node; leases
// carry both.
type Generation struct {
	Node   uint16
	Number uint32
}

// Answer is what was answered to a request with an idempotency key, for
// requests that are not creates of this room.
type Answer struct {
	Scope     string // who and what: "advertiser 7123 topup"
	Key       string
	BodyHash  [32]byte
	Status    int
	Response  []byte
	ExpiresAt time.Time
}

// Store keeps what people edit. Errors are *Error or Errors. Every method that
// takes an advertiser sees that advertiser's objects only: another's id is
// NotFound, or is left out of a list. Every method may be called from any
// goroutine; what it returns belongs to the caller.
type Store interface {
	Accounts
	Objects
	Publisher
	Tokens
	Nodes

	// Answer finds what was answered to a key; NotFound when it is new or has
	// expired. SaveAnswer keeps the first answer and returns it: another body
	// under the same key is a Conflict. Prune forgets what has expired.
	Answer(ctx context.Context, scope, key string) (Answer, error)
	SaveAnswer(ctx context.Context, a Answer) (Answer, error)
	Prune(ctx context.Context) (int, error)
}

// Accounts are who edits.
type Accounts interface {
	CreateBusinessCenter(ctx context.Context, e Edit, b BusinessCenter) (BusinessCenter, error)
	BusinessCenter(ctx context.Context, bc id.BusinessCenter) (BusinessCenter, error)
	BusinessCenters(ctx context.Context, p Paging) (Page[BusinessCenter], error)

	CreateAdvertiser(ctx context.Context, e Edit, a Advertiser) (Advertiser, error)
	UpdateAdvertiser(ctx context.Context, e Edit, adv id.Advertiser, p AdvertiserPatch) (Advertiser, error)
	Advertiser(ctx context.Context, adv id.Advertiser) (Advertiser, error)
	Advertisers(ctx context.Context, q AdvertiserQuery) (Page[Advertiser], error)
}

// Objects are what is edited. Set...Status changes all or none; DELETE is for
// ever, and a deleted object can be read but not changed.
type Objects interface {
	CreateCampaign(ctx context.Context, e Edit, c Campaign) (Campaign, error)
	UpdateCampaign(ctx context.Context, e Edit, adv id.Advertiser, c id.Campaign, p CampaignPatch) (Campaign, error)
	SetCampaignStatus(ctx context.Context, e Edit, adv id.Advertiser, ids []id.Campaign, s OperationStatus) ([]Campaign, error)
	Campaign(ctx context.Context, adv id.Advertiser, c id.Campaign) (Campaign, error)
	Campaigns(ctx context.Context, adv id.Advertiser, q Query) (Page[Campaign], error)

	CreateAdGroup(ctx context.Context, e Edit, g AdGroup) (AdGroup, error)
	UpdateAdGroup(ctx context.Context, e Edit, adv id.Advertiser, g id.AdGroup, p AdGroupPatch) (AdGroup, error)
	SetAdGroupStatus(ctx context.Context, e Edit, adv id.Advertiser, ids []id.AdGroup, s OperationStatus) ([]AdGroup, error)
	AdGroup(ctx context.Context, adv id.Advertiser, g id.AdGroup) (AdGroup, error)
	AdGroups(ctx context.Context, adv id.Advertiser, q Query) (Page[AdGroup], error)

	CreateAd(ctx context.Context, e Edit, a Ad) (Ad, error)
	UpdateAd(ctx context.Context, e Edit, adv id.Advertiser, a id.Ad, p AdPatch) (Ad, error)
	SetAdStatus(ctx context.Context, e Edit, adv id.Advertiser, ids []id.Ad, s OperationStatus) ([]Ad, error)
	Ad(ctx context.Context, adv id.Advertiser, a id.Ad) (Ad, error)
	Ads(ctx context.Context, adv id.Advertiser, q Query) (Page[Ad], error)
	// ReviewAd is the operator's decision; reasons go with REJECTED.
	ReviewAd(ctx context.Context, e Edit, adv id.Advertiser, a id.Ad, s ReviewStatus, reasons []string) (Ad, error)

	// CreateTree creates everything in t in one transaction. Ids in t only link
	// its parts; the ids of the result are new, in the same order. Schedules may
	// have begun before now. It is the operator's, for seeding and imports: no
	// advertiser is checked against a token here.
	CreateTree(ctx context.Context, e Edit, t Tree) (Tree, error)
	// Changes is the advertiser's change log, newest first.
	Changes(ctx context.Context, adv id.Advertiser, p Paging) (Page[Change], error)
}

// Publisher is what serving reads.
type Publisher interface {
	LoadAll(ctx context.Context) (Tree, error)
	// LoadSince holds only what changed after since, deleted objects too, and the
	// revision up to which that is complete: what Tree.With takes. It costs as
	// much as there are changes, where LoadAll costs as much as there are objects.
	LoadSince(ctx context.Context, since Revision) (Tree, error)
	// LoadAt is the tree as LoadAll gave it at an earlier revision: what a replay
	// decides by. NotFound when there is no such revision.
	LoadAt(ctx context.Context, r Revision) (Tree, error)
	// Changed names what changed after since, oldest first without repeats, and
	// the revision up to which that is complete. It is cheap when nothing did.
	Changed(ctx context.Context, since Revision) ([]Touched, Revision, error)
	// Watch returns a channel that gets a value soon after an edit through this
	// Store; edits in between are one value. stop ends it.
	Watch() (edited <-chan struct{}, stop func())
}

// Tokens are the keys of machines.
type Tokens interface {
	// CreateToken returns the secret, which is never to be seen again.
	CreateToken(ctx context.Context, e Edit, t Token) (Token, string, error)
	// FindToken finds a token that is not revoked.
	FindToken(ctx context.Context, h TokenHash) (Token, error)
	// TouchTokens notes the last use of tokens, by id.
	TouchTokens(ctx context.Context, used map[int64]time.Time) error
	// AdvertiserTokens and BusinessCenterTokens list what is bound to the owner,
	// revoked ones included; RevokeToken ends one for ever.
	AdvertiserTokens(ctx context.Context, adv id.Advertiser) ([]Token, error)
	BusinessCenterTokens(ctx context.Context, bc id.BusinessCenter) ([]Token, error)
	RevokeToken(ctx context.Context, e Edit, owner TokenOwner, token int64) (Token, error)
}

// TokenOwner is whose token it is; both zero is the app operator.
type TokenOwner struct {
	Advertiser     id.Advertiser
	BusinessCenter id.BusinessCenter
}

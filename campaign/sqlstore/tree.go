package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/sqldb"
)

// CreateTree implements campaign.Objects.
func (s *Store) CreateTree(ctx context.Context, e campaign.Edit, t campaign.Tree) (campaign.Tree, error) {
	if n := len(t.Advertisers) + len(t.Campaigns) + len(t.AdGroups) + len(t.Ads); n > campaign.MaxTree {
		return campaign.Tree{}, &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeTooMany, Field: "tree", Value: fmt.Sprint(n, " objects"),
			Limit: fmt.Sprint(campaign.MaxTree), Message: "has too many objects"}
	}
	var out campaign.Tree
	err := s.edit(ctx, e, func(ctx context.Context, tx sqldb.Tx) error {
		p := planting{s: s, advertisers: map[id.Advertiser]*campaign.Advertiser{}, campaigns: map[id.Campaign]*campaign.Campaign{},
			groups: map[id.AdGroup]*campaign.AdGroup{}}
		if err := p.plant(ctx, tx, t); err != nil {
			return err
		}
		out = p.out
		if err := insertRows(ctx, tx, p.accounts, func(r *advertiserRow) int { return len(r.Doc) }); err != nil {
			return fmt.Errorf("write new advertisers: %w", err)
		}
		if err := insertRows(ctx, tx, p.rows, func(r *objectRow) int { return len(r.Doc) }); err != nil {
			return fmt.Errorf("write new objects: %w", err)
		}
		if err := s.log(ctx, tx, e, p.changes...); err != nil {
			return err
		}
		var err error
		out.Revision, err = revision(ctx, tx)
		return err
	})
	if err != nil {
		return campaign.Tree{}, err
	}
	return out, nil
}

// planting is one CreateTree. The maps go from the ids that the caller used to
// what they became; an id that is not in them may be one of the store's.
type planting struct {
	s           *Store
	out         campaign.Tree
	advertisers map[id.Advertiser]*campaign.Advertiser
	campaigns   map[id.Campaign]*campaign.Campaign
	groups      map[id.AdGroup]*campaign.AdGroup
	accounts    []advertiserRow
	rows        []objectRow
	changes     []edited
}

func (p *planting) plant(ctx context.Context, tx sqldb.Tx, t campaign.Tree) error {
	p.out = campaign.Tree{Advertisers: append([]campaign.Advertiser(nil), t.Advertisers...), Campaigns: append([]campaign.Campaign(nil), t.Campaigns...),
		AdGroups: append([]campaign.AdGroup(nil), t.AdGroups...), Ads: append([]campaign.Ad(nil), t.Ads...)}
	for i := range p.out.Advertisers {
		if err := p.advertiser(ctx, tx, &p.out.Advertisers[i]); err != nil {
			return at("advertisers", i, err)
		}
	}
	for i := range p.out.Campaigns {
		if err := p.campaign(ctx, tx, &p.out.Campaigns[i]); err != nil {
			return at("campaigns", i, err)
		}
	}
	for i := range p.out.AdGroups {
		if err := p.adGroup(ctx, tx, &p.out.AdGroups[i]); err != nil {
			return at("adgroups", i, err)
		}
	}
	for i := range p.out.Ads {
		if err := p.ad(ctx, tx, &p.out.Ads[i]); err != nil {
			return at("ads", i, err)
		}
	}
	return nil
}

// at puts the place in the tree before the fields of err.
func at(list string, i int, err error) error {
	var many campaign.Errors
	var one *campaign.Error
	if !errors.As(err, &many) && !errors.As(err, &one) {
		return err
	}
	out := make(campaign.Errors, 0, len(many))
	for _, e := range campaign.ErrorsOf(err) {
		placed := *e
		placed.Field = fmt.Sprintf("%s[%d].%s", list, i, e.Field)
		out = append(out, &placed)
	}
	return out
}

func (p *planting) advertiser(ctx context.Context, tx sqldb.Tx, a *campaign.Advertiser) error {
	a.Defaults()
	if err := a.Validate(); err != nil {
		return err
	}
	if a.BusinessCenter != 0 {
		if _, err := center(ctx, tx, a.BusinessCenter); err != nil {
			return err
		}
	}
	link := a.ID
	row, err := p.s.newAdvertiser(a)
	if err != nil {
		return err
	}
	p.advertisers[link] = a
	p.accounts = append(p.accounts, row)
	p.changes = append(p.changes, edited{campaign.KindAdvertiser, row.ID, a.ID, "", row.Doc})
	return nil
}

func (p *planting) campaign(ctx context.Context, tx sqldb.Tx, c *campaign.Campaign) error {
	a := p.advertisers[c.Advertiser]
	if a == nil {
		found, err := advertiser(ctx, tx, c.Advertiser)
		if err != nil {
			return err
		}
		a = &found
		p.advertisers[c.Advertiser] = a
	}
	c.Defaults()
	if err := errors.Join(newStatus(c.OperationStatus), c.Validate()); err != nil {
		return err
	}
	link := c.ID
	c.ID, c.Advertiser = id.Campaign(p.s.minter.Load().Next()), a.ID
	p.campaigns[link] = c
	return grow(p, campaigns, c)
}

func (p *planting) adGroup(ctx context.Context, tx sqldb.Tx, g *campaign.AdGroup) error {
	c := p.campaigns[g.Campaign]
	if c == nil {
		found, err := campaigns.get(ctx, tx, campaigns.field, g.Advertiser, int64(g.Campaign))
		if err != nil {
			return err
		}
		c = &found
		p.campaigns[g.Campaign] = c
	}
	if !p.owns(g.Advertiser, c.Advertiser) {
		return campaign.NotFoundError(campaigns.field, g.Campaign)
	}
	now := p.s.now()
	g.Defaults(now)
	if err := errors.Join(newStatus(g.OperationStatus), g.Validate(campaign.Context{Now: now, Campaign: c, Imported: true})); err != nil {
		return err
	}
	link := g.ID
	g.ID, g.Campaign, g.Advertiser = id.AdGroup(p.s.minter.Load().Next()), c.ID, c.Advertiser
	p.groups[link] = g
	p.campaigns[c.ID] = c
	return grow(p, adGroups, g)
}

func (p *planting) ad(ctx context.Context, tx sqldb.Tx, a *campaign.Ad) error {
	g := p.groups[a.AdGroup]
	if g == nil {
		found, parent, err := parents(ctx, tx, a.Advertiser, a.AdGroup)
		if err != nil {
			return err
		}
		g = &found
		p.groups[a.AdGroup] = g
		p.campaigns[parent.ID] = &parent
	}
	if !p.owns(a.Advertiser, g.Advertiser) {
		return campaign.NotFoundError(adGroups.field, a.AdGroup)
	}
	c := p.campaigns[g.Campaign]
	a.Defaults()
	if err := errors.Join(newStatus(a.OperationStatus), a.Validate(c)); err != nil {
		return err
	}
	a.ID, a.AdGroup, a.Campaign, a.Advertiser = id.Ad(p.s.minter.Load().Next()), g.ID, c.ID, c.Advertiser
	a.Review, a.ReviewReasons = p.s.firstReview(), nil
	return grow(p, ads, a)
}

// owns reports whether the advertiser that the caller named, if any, is the
// owner of the parent.
func (p *planting) owns(named, owner id.Advertiser) bool {
	if a := p.advertisers[named]; a != nil {
		named = a.ID
	}
	return named == 0 || named == owner
}

// grow makes the row and the change log line of a new object.
func grow[T any](p *planting, k *kind[T], v *T) error {
	now := p.s.now()
	*k.meta(v) = campaign.Meta{Version: 1, CreatedAt: now, ModifiedAt: now}
	r, err := k.rowOf(v)
	if err != nil {
		return err
	}
	p.rows = append(p.rows, r)
	p.changes = append(p.changes, edited{k.name, r.ID, id.Advertiser(r.Advertiser), "", r.Doc})
	return nil
}

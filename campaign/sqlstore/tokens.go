package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/sqldb"

	"github.com/uptrace/bun"
)

type tokenRow struct {
	bun.BaseModel `bun:"table:tokens,alias:t"`

	ID         int64  `bun:"id,pk"`
	Hash       string `bun:"hash"`
	Scope      string `bun:"scope"`
	Name       string `bun:"name"`
	Prefix     string `bun:"prefix"`
	Advertiser int64  `bun:"advertiser_id"`
	Center     int64  `bun:"bc_id"`
	CreatedMS  int64  `bun:"created_ms"`
	UsedMS     int64  `bun:"used_ms"`
	RevokedMS  int64  `bun:"revoked_ms"`
}

func (r *tokenRow) token() campaign.Token {
	return campaign.Token{ID: r.ID, Scope: campaign.Scope(r.Scope), Name: r.Name, Prefix: r.Prefix,
		Advertiser: id.Advertiser(r.Advertiser), BusinessCenter: id.BusinessCenter(r.Center),
		CreatedAt: fromMS(r.CreatedMS), LastUsedAt: fromMS(r.UsedMS), RevokedAt: fromMS(r.RevokedMS)}
}

// fromMS is the zero time for 0.
func fromMS(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// CreateToken implements campaign.Tokens. A key of the Edit is not used: the
// secret is shown once and cannot be repeated.
func (s *Store) CreateToken(ctx context.Context, e campaign.Edit, t campaign.Token) (campaign.Token, string, error) {
	if err := t.Validate(); err != nil {
		return campaign.Token{}, "", err
	}
	secret, prefix, err := campaign.NewSecret(t.Scope, s.cfg.Random)
	if err != nil {
		return campaign.Token{}, "", campaign.InternalError(err, "make a token")
	}
	hash := campaign.HashToken(secret)
	row := tokenRow{Hash: hex.EncodeToString(hash[:]), Scope: string(t.Scope), Name: t.Name, Prefix: prefix,
		Advertiser: int64(t.Advertiser), Center: int64(t.BusinessCenter), CreatedMS: s.now().UnixMilli()}
	err = s.edit(ctx, e, func(ctx context.Context, tx sqldb.Tx) error {
		if t.Advertiser != 0 {
			if _, err := advertiser(ctx, tx, t.Advertiser); err != nil {
				return err
			}
		}
		if t.BusinessCenter != 0 {
			if _, err := center(ctx, tx, t.BusinessCenter); err != nil {
				return err
			}
		}
		row.ID = s.minter.Load().Next()
		if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("write a new token: %w", err)
		}
		return s.logToken(ctx, tx, e, "", &row)
	})
	if err != nil {
		return campaign.Token{}, "", err
	}
	return row.token(), secret, nil
}

// logToken writes the change log line of a token: never its hash.
func (s *Store) logToken(ctx context.Context, tx sqldb.Tx, e campaign.Edit, before string, row *tokenRow) error {
	after, err := tokenDoc(row)
	if err != nil {
		return err
	}
	return s.log(ctx, tx, e, edited{campaign.KindToken, row.ID, id.Advertiser(row.Advertiser), before, after})
}

func tokenDoc(row *tokenRow) (string, error) {
	return encode(map[string]any{"name": row.Name, "prefix": row.Prefix, "scope": row.Scope, "revoked": row.RevokedMS != 0})
}

// FindToken implements campaign.Tokens.
func (s *Store) FindToken(ctx context.Context, h campaign.TokenHash) (t campaign.Token, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var row tokenRow
		err := tx.NewSelect().Model(&row).Where("hash = ?", hex.EncodeToString(h[:])).Where("revoked_ms = 0").Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return &campaign.Error{Kind: campaign.NotFound, Code: campaign.CodeNotFound, Field: "access_token", Message: "is not valid"}
		}
		t = row.token()
		return err
	})
	return t, err
}

// TouchTokens implements campaign.Tokens.
func (s *Store) TouchTokens(ctx context.Context, used map[int64]time.Time) error {
	return ours(s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		for token, at := range used {
			_, err := tx.NewUpdate().Model((*tokenRow)(nil)).Set("used_ms = ?", at.UnixMilli()).
				Where("id = ?", token).Where("used_ms < ?", at.UnixMilli()).Exec(ctx)
			if err != nil {
				return err
			}
		}
		return nil
	}), "note the use of tokens of")
}

// AdvertiserTokens implements campaign.Tokens.
func (s *Store) AdvertiserTokens(ctx context.Context, adv id.Advertiser) ([]campaign.Token, error) {
	return s.tokens(ctx, campaign.TokenOwner{Advertiser: adv})
}

// BusinessCenterTokens implements campaign.Tokens.
func (s *Store) BusinessCenterTokens(ctx context.Context, bc id.BusinessCenter) ([]campaign.Token, error) {
	return s.tokens(ctx, campaign.TokenOwner{BusinessCenter: bc})
}

func (s *Store) tokens(ctx context.Context, o campaign.TokenOwner) (out []campaign.Token, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var rows []tokenRow
		err := tx.NewSelect().Model(&rows).Where("advertiser_id = ?", int64(o.Advertiser)).Where("bc_id = ?", int64(o.BusinessCenter)).
			OrderExpr("id DESC").Scan(ctx)
		for i := range rows {
			out = append(out, rows[i].token())
		}
		return err
	})
	return out, err
}

// RevokeToken implements campaign.Tokens.
func (s *Store) RevokeToken(ctx context.Context, e campaign.Edit, o campaign.TokenOwner, token int64) (campaign.Token, error) {
	var row tokenRow
	err := s.edit(ctx, e, func(ctx context.Context, tx sqldb.Tx) error {
		err := tx.NewSelect().Model(&row).Where("id = ?", token).
			Where("advertiser_id = ?", int64(o.Advertiser)).Where("bc_id = ?", int64(o.BusinessCenter)).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return campaign.NotFoundError("token_id", number(token))
		}
		if err != nil || row.RevokedMS != 0 {
			return err
		}
		before, err := tokenDoc(&row)
		if err != nil {
			return err
		}
		row.RevokedMS = s.now().UnixMilli()
		if _, err := tx.NewUpdate().Model(&row).Column("revoked_ms").WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("revoke token %d: %w", token, err)
		}
		return s.logToken(ctx, tx, e, before, &row)
	})
	if err != nil {
		return campaign.Token{}, err
	}
	return row.token(), nil
}

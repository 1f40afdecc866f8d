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

type answerRow struct {
	bun.BaseModel `bun:"table:answers,alias:w"`

	Scope     string `bun:"scope,pk"`
	Key       string `bun:"request_key,pk"`
	BodyHash  string `bun:"body_hash"`
	Status    int64  `bun:"status"`
	Response  string `bun:"response"`
	ExpiresMS int64  `bun:"expires_ms"`
}

func createScope(adv id.Advertiser, kind campaign.ObjectKind) string {
	return fmt.Sprintf("advertiser %d create %s", adv, kind)
}

// once runs an edit that creates something, at most once per idempotency key:
// the answer is kept in the same transaction as what it tells of.
func once[T any](ctx context.Context, s *Store, e campaign.Edit, scope string, create func(ctx context.Context, tx sqldb.Tx) (T, error)) (T, error) {
	var out, none T
	if len(e.Key) > campaign.MaxKey {
		return none, &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeTooLong, Field: "request_id",
			Limit: fmt.Sprint(campaign.MaxKey, " bytes"), Message: "is too long"}
	}
	err := s.edit(ctx, e, func(ctx context.Context, tx sqldb.Tx) error {
		if e.Key == "" {
			var err error
			out, err = create(ctx, tx)
			return err
		}
		a, err := s.answer(ctx, tx, scope, e.Key)
		switch {
		case err == nil && a.BodyHash != e.BodyHash:
			return keyReused(e.Key)
		case err == nil:
			out, err = decode[T](string(a.Response))
			return err
		case campaign.KindOf(err) != campaign.NotFound:
			return err
		}
		if out, err = create(ctx, tx); err != nil {
			return err
		}
		doc, err := encode(out)
		if err != nil {
			return err
		}
		return s.keep(ctx, tx, campaign.Answer{Scope: scope, Key: e.Key, BodyHash: e.BodyHash, Response: []byte(doc),
			ExpiresAt: s.now().Add(campaign.KeyLifetime)})
	})
	if err != nil {
		return none, err
	}
	return out, nil
}

func keyReused(key string) error {
	return &campaign.Error{Kind: campaign.Conflict, Code: campaign.CodeKeyReused, Field: "request_id", Value: key,
		Message: "was used for another request"}
}

// answer finds an answer that has not expired.
func (s *Store) answer(ctx context.Context, tx sqldb.Tx, scope, key string) (campaign.Answer, error) {
	var r answerRow
	err := tx.NewSelect().Model(&r).Where("scope = ?", scope).Where("request_key = ?", key).
		Where("expires_ms > ?", s.now().UnixMilli()).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return campaign.Answer{}, &campaign.Error{Kind: campaign.NotFound, Code: campaign.CodeNotFound, Field: "request_id", Value: key, Message: "is new"}
	}
	if err != nil {
		return campaign.Answer{}, fmt.Errorf("find an answer: %w", err)
	}
	a := campaign.Answer{Scope: r.Scope, Key: r.Key, Status: int(r.Status), Response: []byte(r.Response),
		ExpiresAt: time.UnixMilli(r.ExpiresMS).UTC()}
	if n, err := hex.Decode(a.BodyHash[:], []byte(r.BodyHash)); err != nil || n != len(a.BodyHash) {
		return campaign.Answer{}, fmt.Errorf("read the hash of answer %s %s: %w", scope, key, errors.Join(err))
	}
	return a, nil
}

// keep stores an answer over one that has expired.
func (s *Store) keep(ctx context.Context, tx sqldb.Tx, a campaign.Answer) error {
	r := answerRow{Scope: a.Scope, Key: a.Key, BodyHash: hex.EncodeToString(a.BodyHash[:]), Status: int64(a.Status),
		Response: string(a.Response), ExpiresMS: a.ExpiresAt.UnixMilli()}
	_, err := tx.NewInsert().Model(&r).On("CONFLICT (scope, request_key) DO UPDATE").
		Set("body_hash = EXCLUDED.body_hash").Set("status = EXCLUDED.status").
		Set("response = EXCLUDED.response").Set("expires_ms = EXCLUDED.expires_ms").Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep an answer: %w", err)
	}
	return nil
}

// Answer implements campaign.Store.
func (s *Store) Answer(ctx context.Context, scope, key string) (out campaign.Answer, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		out, err = s.answer(ctx, tx, scope, key)
		return err
	})
	return out, err
}

// SaveAnswer implements campaign.Store.
func (s *Store) SaveAnswer(ctx context.Context, a campaign.Answer) (campaign.Answer, error) {
	if len(a.Key) == 0 || len(a.Key) > campaign.MaxKey || len(a.Scope) > campaign.MaxName || len(a.Response) > campaign.MaxAnswer {
		return campaign.Answer{}, &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeTooLong, Field: "request_id",
			Limit: fmt.Sprintf("key %d, answer %d bytes", campaign.MaxKey, campaign.MaxAnswer), Message: "or its answer is empty or too long"}
	}
	out := a
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		first, err := s.answer(ctx, tx, a.Scope, a.Key)
		switch {
		case err == nil && first.BodyHash != a.BodyHash:
			return keyReused(a.Key)
		case err == nil:
			out = first
			return nil
		case campaign.KindOf(err) != campaign.NotFound:
			return err
		}
		return s.keep(ctx, tx, a)
	})
	if err != nil {
		return campaign.Answer{}, ours(err, "keep the answer to")
	}
	return out, nil
}

// Prune implements campaign.Store.
func (s *Store) Prune(ctx context.Context) (n int, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		res, err := tx.NewDelete().Model((*answerRow)(nil)).Where("expires_ms <= ?", s.now().UnixMilli()).Exec(ctx)
		if err != nil {
			return err
		}
		gone, err := res.RowsAffected()
		n = int(gone)
		return err
	})
	return n, ours(err, "forget answers to")
}

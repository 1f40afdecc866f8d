package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"mazad/campaign"
	"mazad/internal/sqldb"

	"github.com/uptrace/bun"
)

type nodeRow struct {
	bun.BaseModel `bun:"table:nodes,alias:n"`

	Number     int64  `bun:"number,pk"`
	Owner      string `bun:"owner"`
	Address    string `bun:"address"`
	Generation int64  `bun:"generation"`
	Beat       int64  `bun:"beat"`
	Left       int64  `bun:"has_left"`
}

// ClaimNode implements campaign.Nodes.
func (s *Store) ClaimNode(ctx context.Context, c campaign.NodeClaim) (campaign.Generation, error) {
	if err := c.Validate(); err != nil {
		return campaign.Generation{}, err
	}
	row := nodeRow{Owner: c.Owner}
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		err := tx.NewSelect().Model(&row).Where("owner = ?", c.Owner).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			row.Number, err = freeNumber(ctx, tx, c.Number)
		} else if err == nil && c.Number >= 0 && row.Number != int64(c.Number) {
			err = nodeConflict(c.Number, fmt.Sprintf("this data directory has been node %d, and its diary is that node's", row.Number))
		}
		if err != nil {
			return err
		}
		if row.Generation, err = count(ctx, tx, fmt.Sprintf("generation of node %d", row.Number), 1); err != nil {
			return err
		}
		row.Address, row.Left = c.Address, 0
		row.Beat++
		_, err = tx.NewInsert().Model(&row).On("CONFLICT (number) DO UPDATE").Set("address = EXCLUDED.address").
			Set("generation = EXCLUDED.generation").Set("beat = EXCLUDED.beat").Set("has_left = EXCLUDED.has_left").Exec(ctx)
		return err
	})
	if err == nil {
		err = s.mintAs(ctx, uint16(row.Number))
	}
	if err != nil {
		return campaign.Generation{}, ours(err, "claim a node number of")
	}
	return campaign.Generation{Node: uint16(row.Number), Number: uint32(row.Generation)}, nil
}

// freeNumber finds the lowest number that nobody ever had, or says that the one
// that is wanted is taken.
func freeNumber(ctx context.Context, tx sqldb.Tx, want int) (int64, error) {
	var used []int64
	if err := tx.NewSelect().Model((*nodeRow)(nil)).Column("number").Order("number").Scan(ctx, &used); err != nil {
		return 0, err
	}
	if want >= 0 {
		if slices.Contains(used, int64(want)) {
			return 0, nodeConflict(want, "another data directory has this number")
		}
		return int64(want), nil
	}
	free := int64(0)
	for int(free) < len(used) && used[free] == free {
		free++
	}
	if free >= campaign.MaxNodes {
		return 0, nodeConflict(len(used), fmt.Sprintf("every one of %d numbers has a data directory", campaign.MaxNodes))
	}
	return free, nil
}

func nodeConflict(number int, why string) error {
	return &campaign.Error{Kind: campaign.Conflict, Code: campaign.CodeDuplicate, Field: "node", Value: fmt.Sprint(number), Message: why}
}

// BeatNode implements campaign.Nodes.
func (s *Store) BeatNode(ctx context.Context, g campaign.Generation) error {
	return s.node(ctx, g, "beat = beat + 1", "beat for")
}

// LeaveNode implements campaign.Nodes.
func (s *Store) LeaveNode(ctx context.Context, g campaign.Generation) error {
	return s.node(ctx, g, "has_left = 1", "leave")
}

func (s *Store) node(ctx context.Context, g campaign.Generation, change, doing string) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		res, err := tx.NewUpdate().Model((*nodeRow)(nil)).Set(change).Where("number = ?", int64(g.Node)).
			Where("generation = ?", int64(g.Number)).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return &campaign.Error{Kind: campaign.Conflict, Code: campaign.CodeVersion, Field: "generation", Value: fmt.Sprint(g.Number),
			Message: fmt.Sprintf("node %d has begun a later life", g.Node)}
	})
	return ours(err, doing+" a node of")
}

// ListNodes implements campaign.Nodes.
func (s *Store) ListNodes(ctx context.Context) (out []campaign.Node, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var rows []nodeRow
		err := tx.NewSelect().Model(&rows).Order("number").Scan(ctx)
		for _, r := range rows {
			out = append(out, campaign.Node{Number: uint16(r.Number), Generation: uint32(r.Generation), Owner: r.Owner, Address: r.Address, Beat: r.Beat, Left: r.Left != 0})
		}
		return err
	})
	return out, err
}

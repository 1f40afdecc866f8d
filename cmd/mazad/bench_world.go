package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"mazad/bench/node"
	"mazad/bench/world"
	"mazad/campaign"
	"mazad/ledger"

	"github.com/spf13/cobra"
)

// worldFunds is what every wallet of a benchmark's world holds, in micros: money
// is never what ends a run.
const worldFunds = 1_000_000_000_000

// benchWorldCommand fills an empty data directory for the suites that measure the
// real serve, and prints the keys.
func benchWorldCommand() *cobra.Command {
	var config string
	var adGroups, users int
	var seed uint64
	c := &cobra.Command{
		Use: node.WorldCommand, Short: "Fill an empty data directory for a benchmark", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(config)
			if err != nil {
				return err
			}
			cfg.ClickHouse.Off = true
			n, err := OpenNode(cmd.Context(), cfg, newLog(cmd.ErrOrStderr(), "error"))
			if err != nil {
				return err
			}
			keys, err := n.benchWorld(cmd.Context(), adGroups, users, seed)
			if err := errors.Join(err, n.Close()); err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(keys)
		},
	}
	f := c.Flags()
	f.StringVar(&config, "config", "", "of the node")
	f.IntVar(&adGroups, "ad-groups", 1000, "to make")
	f.IntVar(&users, "users", 0, "to store")
	f.Uint64Var(&seed, "seed", 1, "of the world")
	return c
}

func (n *Node) benchWorld(ctx context.Context, adGroups, users int, seed uint64) (keys node.Keys, err error) {
	if have := n.engine.Snapshot().AdGroups(); have > 0 {
		return keys, fmt.Errorf("the data directory %s already has %d ad groups", n.cfg.DataDir, have)
	}
	tree, err := n.campaigns.CreateTree(ctx, demoEdit, world.Tree(adGroups, seed, n.clock.Now()))
	if err != nil {
		return keys, err
	}
	for _, a := range tree.Advertisers {
		if _, _, err := n.ledger.TopUp(ctx, ledger.TopUp{RequestID: "bench-" + a.ID.String(), Advertiser: a.ID, Currency: a.Currency, Amount: worldFunds}); err != nil {
			return keys, err
		}
	}
	for all := world.Users(users, seed); len(all) > 0; {
		part := all[:min(len(all), 1000)]
		all = all[len(part):]
		if err := n.users.Upsert(ctx, part); err != nil {
			return keys, err
		}
	}
	keys.Operator = n.operatorKey
	for scope, key := range map[campaign.Scope]*string{campaign.ScopeDecision: &keys.Decision, campaign.ScopeEvent: &keys.Event} {
		if _, *key, err = n.campaigns.CreateToken(ctx, demoEdit, campaign.Token{Scope: scope, Name: "bench"}); err != nil {
			return keys, err
		}
	}
	return keys, nil
}

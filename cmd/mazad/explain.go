package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func explainCommand() *cobra.Command {
	var config, key string
	c := &cobra.Command{
		Use:   "explain [FILE]",
		Short: "Send a feed request (JSON of POST /v1/ads, from FILE or standard input) to the running server and print why each ad group won or lost",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := LoadConfig(config)
			if err != nil {
				return err
			}
			in := cmd.InOrStdin()
			if len(args) == 1 {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			body, err := io.ReadAll(io.LimitReader(in, 64<<10))
			if err != nil {
				return err
			}
			return explain(cmd, "http://"+cfg.Ads.Listen, key, body)
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "YAML file; without one the defaults hold")
	c.Flags().StringVar(&key, "key", os.Getenv("MAZAD_DECISION_KEY"), "decision key; default from MAZAD_DECISION_KEY")
	return c
}

func explain(cmd *cobra.Command, server, key string, body []byte) error {
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodPost, server+"/v1/ads?explain=1", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w (is `mazad serve` running?)", server, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, raw, "", "  ") != nil {
		pretty.Reset()
		pretty.Write(raw)
	}
	fmt.Fprintln(cmd.OutOrStdout(), pretty.String())
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	return nil
}

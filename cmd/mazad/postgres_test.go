package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/internal/sqldb/postgrestest"
	"mazad/ledger"
)

// TestPostgres is the house on PostgreSQL: the whole corridor, and two nodes on
// one store.
func TestPostgres(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	on := func(t *testing.T, url string) Config {
		cfg := testConfig(t, t.TempDir())
		cfg.Store.URL = url
		return cfg
	}
	t.Run("corridor", func(t *testing.T) { corridor(t, on(t, server.Database())) })
	t.Run("I6 an edit on one node is live on the other within a second", func(t *testing.T) {
		url := server.Database()
		one, two := openHouse(t, on(t, url)), openHouse(t, on(t, url))
		if one.n.life.Node == two.n.life.Node {
			t.Fatalf("both are node %d", one.n.life.Node)
		}
		a := one.newAgency()
		serves := func() bool { return len(two.feed(plainRequest).Ads) > 0 }
		g := a.adGroup("")
		two.until("a new ad", time.Second, serves)
		a.setStatus(g, "DISABLE")
		two.until("a pause", time.Second, func() bool { return !serves() })
		a.setStatus(g, "ENABLE")
		two.until("a resume", time.Second, serves)
		one.until("a resume here", time.Second, func() bool { return len(one.feed(plainRequest).Ads) > 0 })
		one.beacons(5)
		two.beacons(7)
		one.until("both diaries in one ledger", 5*time.Second, func() bool {
			total, err := two.n.ledger.Spend(t.Context(), ledger.SpendQuery{Kinds: []ledger.LimitKind{ledger.WalletLimit}})
			return err == nil && len(total) == 1 && total[0].Count == 12
		})
	})
}

func TestAStoreThatCannotBeOpenedIsNamed(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.Store.URL = "postgres://mazad@127.0.0.1:1/mazad?connect_timeout=5"
	_, err := OpenNode(t.Context(), cfg, newLog(os.Stderr, "error"))
	if err == nil || !strings.Contains(err.Error(), "postgres://127.0.0.1:1/mazad") {
		t.Errorf("a store that is away: %v", err)
	}
	cfg.Secrets.StorePasswordEnv, cfg.Secrets.StorePasswordFile = "", filepath.Join(cfg.DataDir, "nothing")
	_, err = OpenNode(t.Context(), cfg, newLog(os.Stderr, "error"))
	if err == nil || !strings.Contains(err.Error(), "secrets.store_password_file") {
		t.Errorf("a password file that is missing: %v", err)
	}
	if err := os.WriteFile(cfg.Secrets.StorePasswordFile, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if at, err := cfg.storeConfig(); err != nil || at.Secret != "hunter2" {
		t.Errorf("password %q: %v", at.Secret, err)
	}
	_, err = OpenNode(t.Context(), cfg, newLog(os.Stderr, "error"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error tells the password: %v", err)
	}
}

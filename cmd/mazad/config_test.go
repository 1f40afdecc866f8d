package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestConfigsLoad: every file in configs/ loads, and the documented one says
// exactly the defaults.
func TestConfigsLoad(t *testing.T) {
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations found: %v", err)
	}
	for _, f := range files {
		cfg, err := LoadConfig(f)
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
		if filepath.Base(f) == "mazad.yaml" {
			if want := DefaultConfig(); !equalConfig(t, cfg, want) {
				t.Errorf("%s does not hold the defaults:\n%+v\n%+v", f, cfg, want)
			}
		}
	}
}

func equalConfig(t *testing.T, a, b Config) bool {
	x, err := yaml.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(x) == string(y)
}

// TestEveryKeyIsDocumented: each key of Config stands in configs/mazad.yaml,
// below a comment or in a section that has one.
func TestEveryKeyIsDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../configs/mazad.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			key := f.Tag.Get("yaml")
			if !regexp.MustCompile(`(?m)^ *` + key + `:`).Match(raw) {
				t.Errorf("configs/mazad.yaml does not show %s", key)
			}
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeOf(Config{}))
}

func TestBadConfigsNameFieldValueAndLimit(t *testing.T) {
	f := func(mistake string, words ...string) {
		t.Helper()
		_, err := LoadConfig("testdata/bad." + mistake + ".yaml")
		if err == nil {
			t.Errorf("%s: accepted", mistake)
			return
		}
		if strings.Contains(err.Error(), "main.") || strings.Contains(err.Error(), "!!") {
			t.Errorf("%s: %q speaks of our code", mistake, err)
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", mistake, err, w)
			}
		}
	}
	f("unknown_key", "line 2", "listn")
	f("node", "node: 1024", "-1 to 1023")
	f("peer", "peers.4", "10.0.0.4:8080", "http(s)://host:port")
	f("peer_self", "peers.2", "another node")
	f("store", "store.url", "mysql", "postgres://")
	f("store_password", "store.url", "db.example", "holds a password")
	f("floor", "market.floor_cpm", "-1", "0 to 1000")
	f("weights", "market.slot_weights", "never rise")
	f("capacity", "capacity.outstanding_tokens", "7", "1024 to")
	f("address", "admin.listen", "8082", "host:port")
	f("type", "line 1", "many", "whole number")
	f("section", "line 2", "ads", "want keys")
	f("two_unknown", "unknown key x", "unknown key y")
	f("documents", "more than one")
	f("port", "ads.listen", "99999", "65535")
	f("public_url", "ads.public_url", "https://ads.example.com/", "slash")
	f("country", "privacy.opt_out_countries[0]", "usa", "ISO 3166-1")
}

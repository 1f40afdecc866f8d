package manage_test

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// value is a valid value of a field. What is an account comes from one tenant,
// every other id from the other.
func (w *world) value(name string, s *openapi3.Schema, account, rest tenants) any {
	w.Helper()
	switch strings.TrimSuffix(name, "s") {
	case "advertiser_id":
		return many(name, account.advertiser)
	case "bc_id":
		return many(name, account.bc)
	case "campaign_id":
		return many(name, rest.campaign)
	case "adgroup_id":
		return many(name, rest.adGroup)
	case "ad_id":
		return many(name, rest.ad)
	case "token_id":
		return many(name, rest.tokenID)
	case "app_id", "request_id":
		return "sample-" + name
	case "timezone":
		return "Europe/Berlin"
	case "currency":
		return "EUR"
	case "landing_page_url":
		return "https://example.com/"
	case "filter_value":
		return string(w.json([]string{rest.campaign}))
	}
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type.Includes("object"):
		m := obj{}
		for field, child := range s.Properties {
			if slices.Contains(s.Required, field) || isID(field) && accountOrObject(field) {
				m[field] = w.value(field, child.Value, account, rest)
			}
		}
		return m
	case s.Type.Includes("array"):
		return []any{w.value(strings.TrimSuffix(name, "s"), s.Items.Value, account, rest)}
	case s.Type.Includes("number"), s.Type.Includes("integer"):
		return json.RawMessage("1")
	case s.Type.Includes("boolean"):
		return false
	}
	if isID(name) {
		w.Fatalf("%s is an id that sample_test.go does not know: say whose it is", name)
	}
	return "sample text"
}

// accountOrObject leaves out optional ids that name nothing of a tenant yet.
func accountOrObject(field string) bool {
	return !slices.Contains([]string{"audience_ids", "excluded_audience_ids", "location_ids", "excluded_location_ids",
		"interest_category_ids", "contextual_tag_ids", "image_ids", "video_id", "identity_id", "request_id"}, field)
}

func many(name, v string) any {
	if strings.HasSuffix(name, "s") {
		return []string{v}
	}
	return v
}

func (w *world) json(v any) []byte {
	w.Helper()
	b, err := json.Marshal(v)
	w.must(err)
	return b
}

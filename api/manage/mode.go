package manage

import (
	"strings"

	"mazad/campaign"
)

// A token's mode is kept in front of its name until the campaign room has a
// column for it: "tiktok:Nightly sync". A name without a mode, of a token that
// was not made here, is strict.

func modeOf(t campaign.Token) Mode {
	if strings.HasPrefix(t.Name, ModeTikTok.String()+":") {
		return ModeTikTok
	}
	return ModeStrict
}

func nameOf(t campaign.Token) string {
	for _, m := range []Mode{ModeStrict, ModeTikTok} {
		if name, ok := strings.CutPrefix(t.Name, m.String()+":"); ok {
			return name
		}
	}
	return t.Name
}

func nameWithMode(name string, m Mode) string { return m.String() + ":" + name }

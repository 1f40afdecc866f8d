package ads

import (
	"bytes"
	"net"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"
)

const maxKey = 256 // bytes of an API key

// authorize finds who is asking; it answers 401 itself. An exchange that cannot
// set a header puts its key into the URL: ?key=.
func (s *Server) authorize(ctx *fasthttp.RequestCtx, kind KeyKind, inURL bool) (Principal, bool) {
	h := &ctx.Request.Header
	key := h.Peek("X-Api-Key")
	if len(key) == 0 {
		if bearer, ok := bytes.CutPrefix(h.Peek("Authorization"), []byte("Bearer ")); ok {
			key = bearer
		}
	}
	if len(key) == 0 && inURL && len(ctx.URI().QueryString()) > 0 {
		key = ctx.QueryArgs().Peek("key")
	}
	if len(key) > 0 && len(key) <= maxKey {
		if who, ok := s.cfg.Keys.Check(key, kind); ok {
			return who, true
		}
	} else if len(key) == 0 && s.cfg.KeylessLoopback && kind == KeyDecision && local(ctx) {
		return Principal{Explain: true}, true
	}
	if k, ok := s.cfg.Keys.(interface{ Away() bool }); ok && len(key) > 0 && k.Away() {
		s.overload(ctx, "keys cannot be checked now: try again")
		return Principal{}, false
	}
	s.stats.noKey.Add(1)
	s.refuse(ctx, fasthttp.StatusUnauthorized, codeNoKey, "a valid API key of the right kind is required, in X-Api-Key or Authorization: Bearer")
	return Principal{}, false
}

// local reports a client on this machine that nobody stands behind: no proxy,
// whose mark may come after an empty one of its client, and no page of another
// site in a browser on this machine, whose address may have been rebound to us.
func local(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	if !ctx.RemoteIP().IsLoopback() || !loopbackHost(string(h.Host())) {
		return false
	}
	for _, mark := range [...]string{"X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if len(h.PeekAll(mark)) > 0 {
			return false
		}
	}
	origin := string(h.Peek("Origin"))
	_, host, _ := strings.Cut(origin, "://")
	return origin == "" || loopbackHost(host)
}

// loopbackHost reports whether a Host header names this machine.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && addr.IsLoopback()
}

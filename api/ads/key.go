package ads

import (
	"bytes"

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
	s.stats.noKey.Add(1)
	s.refuse(ctx, fasthttp.StatusUnauthorized, codeNoKey, "a valid API key of the right kind is required, in X-Api-Key or Authorization: Bearer")
	return Principal{}, false
}

// local reports a client on this machine that no proxy on this machine stands
// for.
func local(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	return ctx.RemoteIP().IsLoopback() && len(h.Peek("X-Forwarded-For")) == 0 && len(h.Peek("Forwarded")) == 0
}

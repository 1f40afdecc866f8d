package ads

import (
	"context"
	"strings"

	"mazad/internal/money"
	"mazad/serving"

	"github.com/valyala/fasthttp"
)

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 2048

// pixel is a transparent GIF of one point.
var pixel = []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;")

// signalOf is what a beacon route reports.
func signalOf(r Route) serving.Signal {
	switch r {
	case RouteView:
		return serving.SignalView
	case RouteClick:
		return serving.SignalClick
	case RouteBill:
		return serving.SignalBill
	case RouteWin:
		return serving.SignalWin
	case RouteLoss:
		return serving.SignalLoss
	}
	return serving.SignalImpression
}

// tokenOf takes the token from a tracking path; nil when it cannot be one.
func tokenOf(path []byte) []byte {
	token := path[len(trackPrefix)+2:]
	if len(token) > maxToken {
		return nil
	}
	for _, b := range token {
		if b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '.' || b == '~' || b == '=' {
			continue
		}
		return nil
	}
	return token
}

// tracking checks what all tracking calls share: the method, the token, room.
// With ok, the caller must leave s.ackGate.
func (s *Server) tracking(ctx *fasthttp.RequestCtx) (token []byte, ok bool) {
	h := &ctx.Response.Header
	h.Set("Cache-Control", "no-store")
	if method := string(ctx.Method()); method != fasthttp.MethodGet && method != fasthttp.MethodPost {
		// HEAD comes from link checkers; it must not count.
		s.refuse(ctx, fasthttp.StatusMethodNotAllowed, codeInvalid, "use GET")
		h.Set("Allow", "GET, POST")
		return nil, false
	}
	if token = tokenOf(ctx.Path()); token == nil {
		s.refuse(ctx, fasthttp.StatusNotFound, codeNotFound, "not a tracking token")
		return nil, false
	}
	if !s.ackGate.enter() {
		s.stats.shedBeacons.Add(1)
		s.overload(ctx, "too many beacons are waiting")
		return nil, false
	}
	return token, true
}

// beacon answers an impression, a view or an OpenRTB notice, after it is on disk.
func (s *Server) beacon(ctx *fasthttp.RequestCtx, route Route) {
	token, ok := s.tracking(ctx)
	if !ok {
		return
	}
	defer s.ackGate.leave()
	b := serving.Beacon{Signal: signalOf(route), Token: token}
	switch route {
	case RouteBill:
		s.price(ctx, &b)
	case RouteLoss:
		b.LossCode = lossCode(ctx.QueryArgs().Peek("r"))
	}
	wait, cancel := context.WithTimeout(s.beacons, s.limits.BeaconWait)
	receipt := s.cfg.Confirm.Confirm(wait, &b)
	cancel()
	s.stats.beacons[b.Signal][receipt.Status].Add(1)
	switch receipt.Status {
	case serving.BeaconForged:
		s.refuse(ctx, fasthttp.StatusNotFound, codeNotFound, "not a tracking token of ours")
		return
	case serving.BeaconOverload:
		s.notStored(ctx, "the event could not be stored in time")
		return
	}
	h := &ctx.Response.Header
	h.Set("X-Beacon", receipt.Status.String())
	h.Set("Access-Control-Allow-Origin", "*")
	if route != RouteImpression {
		ctx.SetStatusCode(fasthttp.StatusNoContent)
		return
	}
	ctx.SetContentType("image/gif")
	ctx.SetBody(pixel)
}

// price reads ${AUCTION_PRICE} of burl. What is not a number in our currency is
// marked as absent; serving then bills the bid.
func (s *Server) price(ctx *fasthttp.RequestCtx, b *serving.Beacon) {
	args := ctx.QueryArgs()
	currency := args.Peek("c")
	cpm, err := money.ParseCPMMicros(text(args.Peek("p")), true)
	foreign := len(currency) > 0 && currency[0] != '$' && string(currency) != string(s.currency)
	if err != nil || cpm < 0 || foreign {
		s.stats.badNotice.Add(1)
		return
	}
	b.Price, b.HasPrice = cpm.CPM(), true
}

// lossCode reads ${AUCTION_LOSS}; zero when the exchange did not fill it in.
func lossCode(raw []byte) uint16 {
	n := 0
	for _, b := range raw {
		if b < '0' || b > '9' || n > 6553 {
			return 0
		}
		n = n*10 + int(b-'0')
	}
	if n > 65535 {
		return 0
	}
	return uint16(n)
}

// click sends the user on to the destination that was signed into the token.
// The user does not pay for our disk: serving waits at most 50 ms for it.
func (s *Server) click(ctx *fasthttp.RequestCtx) {
	token, ok := s.tracking(ctx)
	if !ok {
		return
	}
	defer s.ackGate.leave()
	wait, cancel := context.WithTimeout(s.beacons, s.limits.BeaconWait)
	receipt := s.cfg.Confirm.ClickRedirect(wait, token)
	cancel()
	s.stats.beacons[serving.SignalClick][receipt.Status].Add(1)
	// The destination was checked when the ad was made; this is the last line.
	if isWeb(receipt.Redirect) && receipt.Status != serving.BeaconForged {
		ctx.SetStatusCode(fasthttp.StatusFound)
		ctx.Response.Header.Set("Location", inASCII(receipt.Redirect))
		ctx.Response.Header.Set("Referrer-Policy", "no-referrer")
		ctx.Response.Header.Set("X-Beacon", receipt.Status.String())
		return
	}
	if receipt.Status == serving.BeaconOverload {
		s.overload(ctx, "the click could not be read in time")
		return
	}
	s.refuse(ctx, fasthttp.StatusNotFound, codeNotFound, "not a click of ours")
}

// isWeb reports an address of the web; the scheme may be written in capitals.
func isWeb(address string) bool {
	scheme, _, ok := strings.Cut(address, "://")
	return ok && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http"))
}

// inASCII escapes what a header may not hold: people type addresses in their own
// script.
func inASCII(address string) string {
	outside := func(b byte) bool { return b <= ' ' || b >= 0x7f }
	n := 0
	for i := range len(address) {
		if outside(address[i]) {
			n++
		}
	}
	if n == 0 {
		return address
	}
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(address)+2*n)
	for i := range len(address) {
		if b := address[i]; outside(b) {
			out = append(out, '%', digits[b>>4], digits[b&15])
		} else {
			out = append(out, b)
		}
	}
	return string(out)
}

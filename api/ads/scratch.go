package ads

import (
	"mazad/api/ads/openrtb"
	"mazad/serving"
)

// maxKept is how large a buffer may grow and still be kept for the next request.
const maxKept = 256 << 10

// scratch is the memory of one request.
type scratch struct {
	req      serving.Request
	resp     serving.Response
	feed     feedDecoder
	bid      *openrtb.Decoder
	markup   openrtb.Encoder
	inflater inflater
	events   eventDecoder
	out      []byte
	trace    []byte
}

func newScratch(s *Server) *scratch {
	return &scratch{
		feed:   feedDecoder{agents: s.agents},
		bid:    openrtb.NewDecoder(&s.ortb),
		markup: openrtb.Encoder{PublicURL: s.cfg.PublicURL, Currency: s.currency, Seat: s.cfg.Seat},
	}
}

func (s *Server) take() *scratch {
	sc := s.pool.Get().(*scratch)
	sc.req.Reset()
	sc.resp = serving.Response{Ads: sc.resp.Ads[:0]}
	sc.out = sc.out[:0]
	return sc
}

func (s *Server) give(sc *scratch) {
	for i := range sc.resp.Ads { // a pooled answer keeps no old snapshot alive
		sc.resp.Ads[i].Creative = nil
	}
	if cap(sc.out) > maxKept || cap(sc.trace) > maxKept || cap(sc.inflater.plain) > maxKept {
		sc.out, sc.trace, sc.inflater.plain = nil, nil, nil
	}
	s.pool.Put(sc)
}

package serving

import (
	"mazad/audience"
	"mazad/internal/id"
)

// Gate says whether the diary takes records now. It is asked once per ad
// request and must cost no more than an atomic load.
type Gate interface {
	Accepting() bool
}

// refuse answers an ad request while the diary is full or away: an impression of
// what it placed could be neither billed nor acknowledged, so nothing is placed.
func (e *Engine) refuse(req *Request, resp *Response, tr *Trace) {
	now, snap := e.cfg.Clock.Now(), e.snap.Load()
	resp.Ads, resp.Reason, resp.Revision, resp.Universe = resp.Ads[:0], ReasonDiaryFull, snap.Revision, audience.Contextual
	resp.AuctionID = id.MakeEvent(now.UnixMilli(), e.cfg.Region, e.cfg.Partition, e.serial.Add(1))
	e.stats.Requests[req.Door&1].Add(1)
	e.stats.Empty[ReasonDiaryFull].Add(1)
	if tr != nil {
		tr.json = append(tr.json[:0], `{"reason":"diary_full"}`...)
	}
}

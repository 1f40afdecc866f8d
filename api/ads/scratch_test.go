package ads

import (
	"testing"

	"mazad/serving"
)

// A pooled answer may wait long for its next request: it must not keep the
// snapshot alive in which its creatives lie.
func TestAPooledAnswerForgetsItsCreatives(t *testing.T) {
	s, sc := &Server{}, &scratch{}
	sc.resp.Ads = append(sc.resp.Ads, serving.Placed{Creative: &serving.Creative{}, Token: []byte("token")}, serving.Placed{Creative: &serving.Creative{}})
	s.give(sc)
	for i, p := range sc.resp.Ads[:cap(sc.resp.Ads)] {
		if p.Creative != nil {
			t.Errorf("ad %d of a pooled answer points into a snapshot", i)
		}
	}
	if cap(sc.resp.Ads[0].Token) < len("token") {
		t.Error("the memory of the token is gone")
	}
}

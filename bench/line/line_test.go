package line_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"mazad/bench/line"
)

func TestJSONLine(t *testing.T) {
	f := func(want string, fig line.Figure) {
		t.Helper()
		var out bytes.Buffer
		p := line.NewPrinter(line.Config{Out: &out, Suite: "decide", Seed: 7, JSON: true})
		p.Print(fig)
		if got := strings.TrimSuffix(out.String(), "\n"); got != want || p.Err() != nil {
			t.Errorf("got  %s (%v)\nwant %s", got, p.Err(), want)
		}
	}
	f(`{"suite":"decide","name":"p50_us@10k","value":41.26,"unit":"us","target":"<= 60","ok":true,"n":1000,"seed":7}`,
		line.Figure{Name: "p50_us@10k", Value: 41.2649, Unit: "us", Target: line.AtMost(60), N: 1000})
	f(`{"suite":"decide","name":"allocs","value":3,"unit":"","target":"= 0","ok":false,"n":1,"seed":7}`,
		line.Figure{Name: "allocs", Value: 3, Target: line.Exactly(0), N: 1})
	f(`{"suite":"decide","name":"rps@1m","value":123456.8,"unit":"1/s","target":null,"ok":true,"n":0,"seed":7}`,
		line.Figure{Name: "rps@1m", Value: 123456.78, Unit: "1/s"})
	f(`{"suite":"decide","name":"r","value":null,"unit":"","target":">= 0.28","ok":false,"n":0,"seed":7}`,
		line.Figure{Name: "r", Value: math.NaN(), Target: line.AtLeast(0.28)})
	f(`{"suite":"decide","name":"tiny","value":0.00001234,"unit":"","target":null,"ok":true,"n":0,"seed":7}`,
		line.Figure{Name: "tiny", Value: 0.000012341})
}

func TestTextLineAndMissed(t *testing.T) {
	var out, remarks bytes.Buffer
	p := line.NewPrinter(line.Config{Out: &out, Remarks: &remarks, Suite: "http", Seed: 1})
	p.Print(line.Figure{Name: "ratio_fasthttp@10k", Value: 0.31, Target: line.AtLeast(0.28), N: 5})
	p.Print(line.Figure{Name: "cpu_us_over_bare@10k", Value: 80, Unit: "us", Target: line.AtMost(75), N: 5})
	p.Remark("be_indexer is not built, its lines are left out")
	lines := strings.Split(out.String(), "\n")
	if strings.Join(strings.Fields(lines[0]), " ") != "http ratio_fasthttp@10k 0.31 >= 0.28 ok n=5 seed=1" {
		t.Errorf("line %q", lines[0])
	}
	if !strings.Contains(lines[1], "MISSED") || p.Missed() != 1 {
		t.Errorf("line %q, %d missed", lines[1], p.Missed())
	}
	if remarks.String() != "http: be_indexer is not built, its lines are left out\n" || len(lines) != 3 {
		t.Errorf("remarks %q, output %q", remarks.String(), out.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestErrorOfWritingIsKept(t *testing.T) {
	for _, asJSON := range []bool{true, false} {
		p := line.NewPrinter(line.Config{Out: broken{}, Suite: "match", JSON: asJSON})
		p.Print(line.Figure{Name: "x", Value: 1})
		if p.Err() == nil || !strings.Contains(p.Err().Error(), "match: disk full") {
			t.Errorf("json %v: error %v", asJSON, p.Err())
		}
	}
}

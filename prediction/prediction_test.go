package prediction_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"testing"

	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/prediction"

	"pgregory.net/rapid"
)

func learner(t testing.TB, cfg prediction.Config) *prediction.Learner {
	l, err := prediction.NewLearner(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func key(campaign, group, ad int64) *prediction.Key {
	return &prediction.Key{Ad: id.Ad(ad), AdGroup: id.AdGroup(group), Campaign: id.Campaign(campaign)}
}

func observe(l *prediction.Learner, k *prediction.Key, impressions, clicks int) {
	for range impressions {
		l.Observe(k, prediction.SawImpression)
	}
	for range clicks {
		l.Observe(k, prediction.SawClick)
	}
}

func TestBackOff(t *testing.T) {
	l := learner(t, prediction.Config{ClickRate: money.One / 100, Strength: [prediction.Levels]uint64{1000, 1000, 1000, 1000}})
	observe(l, key(1, 11, 111), 9000, 180) // 2 %
	m := l.Publish(7)
	f := func(name string, k *prediction.Key, want money.PPB) {
		t.Helper()
		if got := m.Rate(prediction.Click, k); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	global := money.PPB(19_000_000) // (180 + 1000 x 1 %) / 10000
	campaign := money.PPB(19_900_000)
	group := money.PPB(19_990_000)
	f("the ad", key(1, 11, 111), 19_999_000)
	f("a new ad", key(1, 11, 112), group)
	f("a new ad group", key(1, 12, 121), campaign)
	f("a new campaign", key(2, 21, 211), global)
	if m.Version() != 7 {
		t.Errorf("version %d", m.Version())
	}
	if got := m.Rate(prediction.View, key(2, 21, 211)); got != 20_000_000 { // 9000 impressions, no view: 1000 x 20 % / 10000
		t.Errorf("view rate %d", got)
	}
	empty := learner(t, prediction.Config{}).Publish(0)
	if got := empty.Contextual(prediction.Click, key(1, 1, 1), &prediction.Contextual{}); got != money.One/200 {
		t.Errorf("nothing known: %d", got)
	}
}

func TestRatesStayWithinBounds(t *testing.T) {
	l := learner(t, prediction.Config{})
	observe(l, key(1, 1, 1), 0, 5_000)     // clicks whose impressions were lost
	observe(l, key(2, 2, 2), 2_000_000, 0) // nobody clicks
	m := l.Publish(1)
	if got := m.Rate(prediction.Click, key(1, 1, 1)); got != money.One {
		t.Errorf("more clicks than impressions: %d", got)
	}
	if got := m.Rate(prediction.Click, key(2, 2, 2)); got < prediction.MinRate || got > 1_000_000 {
		t.Errorf("no clicks: %d", got)
	}
}

func TestSmoothingEqualsExactFractions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		strength := rapid.Uint64Range(1, 5000).Draw(t, "strength")
		prior := money.PPB(rapid.Uint64Range(1, uint64(money.One)).Draw(t, "prior"))
		n := rapid.IntRange(0, 3000).Draw(t, "impressions")
		clicks := rapid.IntRange(0, n).Draw(t, "clicks")
		var s [prediction.Levels]uint64
		for i := range s {
			s[i] = strength
		}
		l, err := prediction.NewLearner(prediction.Config{ClickRate: prior, Strength: s})
		if err != nil {
			t.Fatal(err)
		}
		observe(l, key(1, 1, 1), n, clicks)
		got := l.Publish(1).Rate(prediction.Click, key(9, 9, 9))
		exact := new(big.Rat).SetFrac(
			big.NewInt(int64(clicks)*1e9+int64(strength)*int64(prior)), big.NewInt(int64(n)+int64(strength)))
		want, _ := exact.Float64()
		if want = max(want, float64(prediction.MinRate)); math.Abs(float64(got)-want) > .500001 {
			t.Fatalf("got %d, want %.2f", got, want)
		}
	})
}

// history is a list of events over a small tree of ads.
func history(r *rand.Rand, n int) (keys []prediction.Key, events []prediction.Event) {
	for range n {
		ad := r.Int64N(60)
		keys = append(keys, *key(1+ad/20, 1+ad/5, 1+ad))
		events = append(events, prediction.Event(r.IntN(3)))
	}
	return keys, events
}

func TestI8LearningRepeatsBitForBit(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	keys, events := history(r, 5_000)
	a, b := learner(t, prediction.Config{}), learner(t, prediction.Config{})
	for i := range keys {
		a.Observe(&keys[i], events[i])
	}
	for i, j := range r.Perm(len(keys)) { // another order, with a restart in the middle
		b.Observe(&keys[j], events[j])
		if i == len(keys)/2 {
			var err error
			if b, err = prediction.Restore(prediction.Config{}, b.AppendCheckpoint(nil)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !bytes.Equal(a.AppendCheckpoint(nil), b.AppendCheckpoint(nil)) {
		t.Error("checkpoints differ")
	}
	ma, mb := a.Publish(3), b.Publish(3)
	if !reflect.DeepEqual(ma, mb) || a.Stats() != b.Stats() {
		t.Error("models differ")
	}
	before := ma.Rate(prediction.Click, &keys[0])
	for range 1000 {
		a.Observe(&keys[0], prediction.SawClick)
	}
	if ma.Rate(prediction.Click, &keys[0]) != before || a.Publish(4).Rate(prediction.Click, &keys[0]) == before {
		t.Error("a published model changed, or the next one did not")
	}
}

func TestRestoreRefusesWhatIsDamaged(t *testing.T) {
	l := learner(t, prediction.Config{})
	r := rand.New(rand.NewPCG(8, 9))
	keys, events := history(r, 300)
	for i := range keys {
		l.Observe(&keys[i], events[i])
	}
	good := l.AppendCheckpoint([]byte("kept"))[4:]
	if _, err := prediction.Restore(prediction.Config{}, good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << r.IntN(8)
		if _, err := prediction.Restore(prediction.Config{}, bad); !errors.Is(err, prediction.ErrCheckpoint) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, err := prediction.Restore(prediction.Config{}, good[:i]); !errors.Is(err, prediction.ErrCheckpoint) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

func TestConfigNamesTheField(t *testing.T) {
	f := func(cfg prediction.Config, want string) {
		t.Helper()
		if _, err := prediction.NewLearner(cfg); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f(prediction.Config{ClickRate: 2 * money.One}, "prediction click_rate is 2000000000 parts per billion, want at most 1000000000")
	f(prediction.Config{ViewRate: 2 * money.One}, "prediction view_rate is 2000000000 parts per billion, want at most 1000000000")
	f(prediction.Config{MaxAds: -1}, "prediction max_ads is -1, want 1 to 67108864")
	f(prediction.Config{Strength: [prediction.Levels]uint64{0, 0, 1 << 40}}, "prediction strength[2] is 1099511627776 impressions, want at most 4294967296")
}

func TestMaxAdsBoundsMemory(t *testing.T) {
	l := learner(t, prediction.Config{MaxAds: 3})
	for ad := range int64(10) {
		l.Observe(key(1, 1, ad+1), prediction.SawImpression)
	}
	if s := l.Stats(); s.Ads != 3 || s.Untracked != 7 || s.Impressions != 10 {
		t.Errorf("%+v", s)
	}
}

// The contextual universe is a type: a field may join it only by being allowed
// here, and none that I10 forbids is.
func TestI10ContextualFeaturesAreOnlyTheAllowedOnes(t *testing.T) {
	allowed := map[string]bool{"Placement": true, "Slot": true, "OS": true, "AgeBand": true, "HourUTC": true, "Language": true, "Country": true}
	typ := reflect.TypeFor[prediction.Contextual]()
	for i := range typ.NumField() {
		if f := typ.Field(i); !allowed[f.Name] || f.Type.Kind() == reflect.Pointer || f.Type.Kind() == reflect.Slice {
			t.Errorf("field %s may not be seen in the contextual universe", f.Name)
		}
	}
}

func TestPredictionAllocatesNothing(t *testing.T) {
	l := learner(t, prediction.Config{})
	k := key(1, 1, 1)
	observe(l, k, 10, 1)
	m, p := l.Publish(1), &prediction.Personal{}
	if n := testing.AllocsPerRun(100, func() {
		m.Contextual(prediction.Click, k, &p.Contextual)
		m.Personal(prediction.View, k, p)
		l.Observe(k, prediction.SawImpression)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// The fuzzer writes the body; magic, version and checksum are right, so that it
// gets past them. What is accepted must survive another round.
func FuzzRestore(f *testing.F) {
	f.Add([]byte{1, 2, 3, 0, 1, 5, 1, 1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		in := append([]byte("MZPC\x01"), body...)
		in = binary.LittleEndian.AppendUint32(in, crc32.Checksum(in, crc32.MakeTable(crc32.Castagnoli)))
		l, err := prediction.Restore(prediction.Config{}, in)
		if err != nil {
			return
		}
		l.Publish(1)
		out := l.AppendCheckpoint(nil)
		again, err := prediction.Restore(prediction.Config{}, out)
		if err != nil || !bytes.Equal(out, again.AppendCheckpoint(nil)) {
			t.Fatalf("%x became %x, then %v", in, out, err)
		}
	})
}

func BenchmarkRate(b *testing.B) {
	l := learner(b, prediction.Config{})
	keys, events := history(rand.New(rand.NewPCG(1, 1)), 10_000)
	for i := range keys {
		l.Observe(&keys[i], events[i])
	}
	m, i := l.Publish(1), 0
	b.ReportAllocs()
	for b.Loop() {
		m.Rate(prediction.Click, &keys[i%len(keys)])
		i++
	}
}

func BenchmarkObserve(b *testing.B) {
	l := learner(b, prediction.Config{})
	keys, events := history(rand.New(rand.NewPCG(1, 1)), 10_000)
	i := 0
	for b.Loop() {
		l.Observe(&keys[i%len(keys)], events[i%len(keys)])
		i++
	}
}

package diary_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"mazad/events"
	"mazad/events/diary"
)

// BenchmarkAppend sends one record per request from many goroutines: the
// beacons' way. ns/op is the inverse of acknowledged records per second.
func BenchmarkAppend(b *testing.B) {
	for _, senders := range []int{1, 16, 256, 1024} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			d := open(b, diary.Config{Dir: b.TempDir()})
			ctx := patient(b)
			took := make([][]time.Duration, senders)
			b.ResetTimer()
			var wg sync.WaitGroup
			for s := range senders {
				wg.Go(func() {
					for n := s; n < b.N; n += senders {
						start := time.Now()
						if err := d.Append(ctx, record(uint16(s), uint64(n))); err != nil {
							b.Error(err)
							return
						}
						took[s] = append(took[s], time.Since(start))
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			all := slices.Concat(took...)
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50_us")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99_us")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acked/s")
			st := d.Stats()
			b.ReportMetric(float64(st.Acknowledged)/float64(st.Batches), "records/batch")
		})
	}
}

// BenchmarkEnqueueGroups sends 20 records per request, as POST /v1/events does.
func BenchmarkEnqueueGroups(b *testing.B) {
	for _, size := range []int{20, 100} {
		b.Run(fmt.Sprintf("records=%d", size), func(b *testing.B) {
			d := open(b, diary.Config{Dir: b.TempDir()})
			ctx := patient(b)
			const senders = 64
			b.ResetTimer()
			var wg sync.WaitGroup
			for s := range senders {
				wg.Go(func() {
					group := make([]*events.Record, size)
					for i := range group {
						group[i] = record(uint16(s), uint64(i))
					}
					for n := s; n < b.N; n += senders {
						ticket, err := d.Enqueue(group...)
						if err == nil {
							err = ticket.Wait(ctx)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "acked/s")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		d, err := diary.Open(patient(b), diary.Config{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		closeNow(b, d)
		b.StartTimer()
	}
}

func BenchmarkOffer(b *testing.B) {
	d := open(b, diary.Config{Dir: b.TempDir()})
	r := record(1, 1)
	b.ReportAllocs()
	for b.Loop() {
		d.Offer(r)
	}
	st := d.Stats()
	b.ReportMetric(float64(st.DecisionsDropped)/float64(b.N), "dropped/op")
}

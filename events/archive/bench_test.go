package archive_test

import (
	"context"
	"testing"
	"time"

	"mazad/events/archive"
	"mazad/events/diary"
)

// BenchmarkArchive seals and then reads 200,000 records in batches of 64 KiB
// from memory to a directory: what the worker and a rebuild can do at most.
func BenchmarkArchive(b *testing.B) {
	const batches, perBatch = 800, 250
	stream := newMemory()
	for n := range uint64(batches) {
		stream.put(began, batchOf(b, n+1, perBatch))
	}
	for b.Loop() {
		store, err := archive.OpenDir(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		a, err := archive.Open(b.Context(), store, diary.Money)
		if err != nil {
			b.Fatal(err)
		}
		w, err := archive.NewWorker(archive.WorkerConfig{Archive: a, Source: stream})
		if err != nil {
			b.Fatal(err)
		}
		started := time.Now()
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		until(b, "the worker", func() bool { return w.Stats().Seen == batches })
		if err := w.Seal(ctx); err != nil {
			b.Fatal(err)
		}
		took := time.Since(started).Seconds()
		cancel()
		<-done
		st := w.Stats()
		started = time.Now()
		if r, err := archive.NewSequence(a, stream).Check(b.Context(), nil); err != nil || len(r.Damage) > 0 {
			b.Fatal(r, err)
		}
		b.ReportMetric(batches*perBatch/took, "sealed-records/s")
		b.ReportMetric(float64(st.RawBytes)/took/1e6, "sealed-MB/s")
		b.ReportMetric(batches*perBatch/time.Since(started).Seconds(), "checked-records/s")
		b.ReportMetric(float64(st.Bytes)/float64(st.Records), "disk-bytes/record")
		b.ReportMetric(float64(st.RawBytes)/float64(st.Records), "raw-bytes/record")
	}
}

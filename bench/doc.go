// Package bench holds the benchmark suites of `mazad bench`: each prints a line
// per figure and compares with a named reference in the same run, because
// absolute times differ from machine to machine.
//
// Contract: names of figures are stable; what else is worth knowing of a run (what
// stood in for what, how many requests found an ad) is a remark. The worlds are
// synthetic and seeded, so two runs of one seed ask the same questions. match is the
// index alone, beside a plain chain of roaring bitmaps; decide is the whole of
// Engine.Decide; http is the ads door on a socket, in a process of its own,
// beside a bare fasthttp handler under the same generator.
//
// Units: in the lines; sizes are ad groups.
//
// Concurrency: a suite runs alone: two at once would measure each other.
//
// Limits: with Quick every suite ends within 60 s on 2 cores.
package bench

// Package audience knows who is asking: profiles of users, whether a request may
// be personal at all, how often a user has seen an ad group, and segments of
// users as bitmaps.
//
// Directory answers a lookup by user id without a lock or an allocation;
// Policy.Decide chooses the universe of a request (I10); Frequency counts
// impressions per user and ad group in fixed memory; Segments holds users by
// segment for building audiences and measuring their size. The durable copy of
// the users is kept by audience/store, which is not quiet.
//
// Contract: the most restrictive signal decides the universe, and every signal
// that is absent counts as absence of permission unless the operator's Policy
// says otherwise. A lookup compares the whole user id, so two users are never
// taken for one. A frequency cap is never exceeded while the process lives: when
// the counter has no room, the answer is "capped".
//
// Units: ages in years, frequency windows in calendar days (Day).
//
// Concurrency: Policy and Profile are values. Directory, Frequency and Segments
// may be used from any goroutine; Directory readers never wait for a writer.
//
// Limits: user id 1 to 128 bytes, 64 interests and 256 segments per user, caps
// of up to 255 impressions in up to 7 days, 2^32-1 users.
package audience

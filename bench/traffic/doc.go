// Package traffic plays the part of the world around Mazad: a feed whose users
// scroll, watch and click, and an exchange that offers recorded bid requests.
//
// Contract: everything goes through the public doors over loopback; nothing here
// looks inside the server. The same seed asks the same requests in the same
// order; answers may differ, because the server learns and budgets end.
//
// Units: milliseconds and counts.
//
// Concurrency: Feed.Run and Exchange.Play start the goroutines they need and end
// them before they return; counters may be read at any time.
//
// Limits: one connection per worker; Config names the rest.
package traffic

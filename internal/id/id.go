// Package id holds the identifiers that cross rooms, as distinct types, so that
// a campaign id cannot be passed where an ad id is meant.
//
// Contract: an Object id (everything people edit) is 63 bits, ordered by time:
// 41 bits of milliseconds since Epoch, 10 bits of node, 12 bits of sequence. It
// is minted only by the campaign room (Minter) and is a decimal string in JSON.
// An Event id (auctions and what follows from them) is 128 bits, ordered by
// time: see Event. Zero is never a valid id.
//
// Concurrency: ids are values; Minter is safe for concurrent use.
//
// Limits: 4,096 objects per node and millisecond (the Minter then borrows the
// next millisecond), years 2024 to 2093.
package id

import (
	"errors"
	"fmt"
	"strconv"
)

// Typed object ids. Each is a positive 63-bit number.
type (
	BusinessCenter int64
	Advertiser     int64
	Campaign       int64
	AdGroup        int64
	Ad             int64
)

func (i BusinessCenter) String() string { return strconv.FormatInt(int64(i), 10) }
func (i Advertiser) String() string     { return strconv.FormatInt(int64(i), 10) }
func (i Campaign) String() string       { return strconv.FormatInt(int64(i), 10) }
func (i AdGroup) String() string        { return strconv.FormatInt(int64(i), 10) }
func (i Ad) String() string             { return strconv.FormatInt(int64(i), 10) }

// ErrInvalid reports a string that is not an id.
var ErrInvalid = errors.New("not a valid id: want a positive decimal number of at most 19 digits")

// Parse reads the decimal form of any object id:
//
//	adv, err := id.Parse[id.Advertiser]("7123")
func Parse[T ~int64](s string) (T, error) {
	if len(s) == 0 || len(s) > 19 || s[0] == '+' || s[0] == '-' {
		return 0, fmt.Errorf("%q: %w", clip(s), ErrInvalid)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q: %w", clip(s), ErrInvalid)
	}
	return T(n), nil
}

func clip(s string) string {
	if len(s) > 32 {
		return s[:32] + "..."
	}
	return s
}

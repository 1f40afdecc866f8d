package store

import "mazad/audience"

// Digest is the SHA-256 of an e-mail address, a phone number or a device id.
type Digest [32]byte

// User is one user as the operator's app sends it. An Upsert replaces the whole
// user.
type User struct {
	ID        string // the app's own id, 1..128 bytes
	Emails    []Digest
	Phones    []Digest
	Devices   []Digest
	Age       uint8 // years; 0 = unknown
	Gender    audience.Gender
	Language  audience.Language
	Consent   audience.Consent
	Interests []uint32
	Segments  []uint32
}

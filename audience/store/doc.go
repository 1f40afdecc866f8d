// Package store keeps the users durably: an append-only checksummed log of
// sealed profiles, and beside it a file of per-user data keys. It fills an
// audience.Directory and audience.Segments, which serve the requests.
package store

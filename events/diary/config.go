package diary

import (
	"log/slog"

	"mazad/events"
)

// Config says where and how a diary is kept. Zero values mean the default.
type Config struct {
	Dir    string // embedded server: its directory
	URL    string // external NATS: its URL; excludes Dir
	Log    *slog.Logger
	Keys   events.Keys
	OnLost func(*events.Record)
}

package archive

import "encoding/json"

// Line is a line of a manifest with its checksum.
func Line(body string) []byte { return appendLine(nil, json.RawMessage(body)) }

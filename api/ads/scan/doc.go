// Package scan reads JSON in one pass, without building a tree and without
// allocating: the decoders of api/ads ask for the value they expect, in the
// order in which the bytes come, and skip what they do not know.
//
// A decoder is a loop over members:
//
//	c.Object()
//	for key, ok := c.Key(); ok; key, ok = c.Key() {
//		switch string(key) {
//		case "w":
//			size.W = uint16(c.Int(0, 65535))
//		default:
//			c.Skip()
//		}
//		if c.Failed() {
//			c.In(key)
//			return
//		}
//	}
//
// Contract: exactly the documents that encoding/json calls valid are accepted
// (RFC 8259; fuzzed against it), except that nesting deeper than MaxDepth is
// refused. The first fault stops the cursor: every later call returns a zero
// value, every loop ends, and Fault says the field, the value, the limit and
// the place (line and column). The path of the field is collected on the way
// out of the decoders (In, InItem), so a good document pays nothing for it.
// A null member counts as absent (Key steps over it).
//
// Strings point into the document, or into the cursor's own memory where they
// had escapes; both are valid until the next Reset. Bytes that are not UTF-8
// are passed through.
//
// Concurrency: a Cursor belongs to one goroutine.
//
// Limits: MaxDepth, and whatever the caller's reads allow.
package scan

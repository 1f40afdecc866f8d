package targeting

import (
	"unicode"
	"unicode/utf8"
)

// Tag stands for a hashtag, sound, category or other word about the content: the
// 64-bit FNV-1a hash of its lower-cased UTF-8 text. The function is part of the
// data format (tags are stored in the diary) and never changes. Callers that mix
// kinds in one list put the kind in front: "sound:7001", "cat:IAB17".
type Tag uint64

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// TagOf hashes text; it allocates nothing. Letters are lowered one by one
// (unicode.ToLower), bytes that are not UTF-8 count as U+FFFD.
func TagOf(text []byte) Tag {
	h := uint64(fnvOffset)
	var enc [utf8.UTFMax]byte
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if upper(c) {
				c += 'a' - 'A'
			}
			h = (h ^ uint64(c)) * fnvPrime
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		n := utf8.EncodeRune(enc[:], unicode.ToLower(r))
		for _, c := range enc[:n] {
			h = (h ^ uint64(c)) * fnvPrime
		}
		i += size
	}
	return Tag(h)
}

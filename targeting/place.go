package targeting

import "fmt"

// Country is an ISO 3166-1 alpha-2 code, two ASCII capitals packed with the
// first letter in the high byte. Zero is unknown.
type Country uint16

// ParseCountry reads two capital letters: "DE".
func ParseCountry(s string) (Country, error) {
	if len(s) != 2 || !upper(s[0]) || !upper(s[1]) {
		return 0, fmt.Errorf("country %q: want two capital letters (ISO 3166-1)", clip(s))
	}
	return Country(s[0])<<8 | Country(s[1]), nil
}

func (c Country) String() string {
	if c == 0 {
		return ""
	}
	return string([]byte{byte(c >> 8), byte(c)})
}

// Region is an ISO 3166-2 code of at most six characters, ASCII packed with the
// first character in the highest used byte. Zero is unknown.
type Region uint64

// ParseRegion reads a country, a hyphen and one to three letters or digits:
// "DE-BE".
func ParseRegion(s string) (Region, error) {
	if len(s) < 4 || len(s) > 6 || !upper(s[0]) || !upper(s[1]) || s[2] != '-' {
		return 0, fmt.Errorf("region %q: want a code like \"DE-BE\" (ISO 3166-2)", clip(s))
	}
	var r Region
	for i := 0; i < len(s); i++ {
		c := s[i]
		if i > 2 && !upper(c) && (c < '0' || c > '9') {
			return 0, fmt.Errorf("region %q: want a code like \"DE-BE\" (ISO 3166-2)", clip(s))
		}
		r = r<<8 | Region(c)
	}
	return r, nil
}

func (r Region) String() string {
	var b []byte
	for shift := 56; shift >= 0; shift -= 8 {
		if c := byte(r >> shift); c != 0 {
			b = append(b, c)
		}
	}
	return string(b)
}

// Country is the country part of the code.
func (r Region) Country() Country {
	if r == 0 {
		return 0
	}
	for r>>16 != 0 {
		r >>= 8
	}
	return Country(r)
}

// Language is an ISO 639-1 code, two lower-case ASCII letters packed with the
// first letter in the high byte. Zero is unknown.
type Language uint16

// ParseLanguage reads two lower-case letters: "de".
func ParseLanguage(s string) (Language, error) {
	if len(s) != 2 || s[0] < 'a' || s[0] > 'z' || s[1] < 'a' || s[1] > 'z' {
		return 0, fmt.Errorf("language %q: want two lower-case letters (ISO 639-1)", clip(s))
	}
	return Language(s[0])<<8 | Language(s[1]), nil
}

func (l Language) String() string { return Country(l).String() }

// City is a GeoNames id. Zero is unknown.
type City uint32

func upper(c byte) bool { return c >= 'A' && c <= 'Z' }

// clip bounds what an error message repeats of the input.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

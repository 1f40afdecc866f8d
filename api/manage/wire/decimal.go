package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"mazad/internal/money"
)

// Decimal is an amount in main units of a currency, kept as the text of a JSON
// number: it is written and read exactly, whatever a float would make of it.
type Decimal string

// MaxAmount is the largest amount that a caller may write. It is far above any
// budget and leaves the arithmetic behind it three decimal digits of room.
const MaxAmount = "1000000000000"

const maxAmountMicros money.Micros = 1_000_000_000_000_000_000

// DecimalOf prints micros without trailing zeros.
func DecimalOf(m money.Micros) Decimal { return Decimal(m.String()) }

// DecimalOfSum prints a 128-bit sum without trailing zeros.
func DecimalOfSum(s money.Sum) Decimal {
	return Decimal(strings.TrimSuffix(strings.TrimRight(s.String(), "0"), "."))
}

// Micros reads the amount exactly.
func (d Decimal) Micros() (money.Micros, error) { return money.ParseMicros(string(d)) }

// MarshalJSON writes the digits as a JSON number.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if d == "" {
		return []byte("0"), nil
	}
	return json.Marshal(json.Number(d))
}

// UnmarshalJSON accepts a JSON number and nothing else.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	var n json.Number
	if len(b) > 0 && b[0] == '"' {
		return fmt.Errorf("%s is a string: write the amount as a number", b)
	}
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*d = Decimal(n)
	return nil
}

// CheckAmount says what is wrong with an amount that a caller wrote; an empty
// code says that it is right.
func CheckAmount(text string) (code, message, limit string) {
	m, err := money.ParseMicros(text)
	switch {
	case errors.Is(err, money.ErrPrecision):
		return "TOO_PRECISE", "the amount has more than six decimals", "6"
	case errors.Is(err, money.ErrRange) && strings.HasPrefix(text, "-"):
		return "OUT_OF_RANGE", "the amount is negative", "0"
	case errors.Is(err, money.ErrRange), err == nil && m > maxAmountMicros:
		return "OUT_OF_RANGE", "the amount is too large", MaxAmount
	case err != nil:
		return "MALFORMED", "not a decimal number", ""
	case m < 0:
		return "OUT_OF_RANGE", "the amount is negative", "0"
	}
	return "", "", ""
}

package money

import "fmt"

// Currency is an ISO 4217 code that Mazad bills in.
type Currency string

// minorUnits maps each accepted currency to its ISO 4217 exponent.
var minorUnits = map[Currency]int{
	"AED": 2, "AUD": 2, "BHD": 3, "BRL": 2, "CAD": 2, "CHF": 2, "CNY": 2, "CZK": 2, "DKK": 2,
	"EGP": 2, "EUR": 2, "GBP": 2, "HKD": 2, "HUF": 2, "IDR": 2, "ILS": 2, "INR": 2, "JOD": 3,
	"JPY": 0, "KRW": 0, "KWD": 3, "KZT": 2, "MAD": 2, "MXN": 2, "MYR": 2, "NGN": 2, "NOK": 2,
	"NZD": 2, "OMR": 3, "PHP": 2, "PKR": 2, "PLN": 2, "QAR": 2, "RON": 2, "SAR": 2, "SEK": 2,
	"SGD": 2, "THB": 2, "TND": 3, "TRY": 2, "TWD": 2, "UAH": 2, "USD": 2, "VND": 0, "ZAR": 2,
}

// ParseCurrency accepts a known ISO 4217 code in upper case.
func ParseCurrency(s string) (Currency, error) {
	c := Currency(s)
	if _, ok := minorUnits[c]; !ok {
		return "", fmt.Errorf("%q is not a supported ISO 4217 currency", clip(s))
	}
	return c, nil
}

// MinorUnits is the number of decimals of the currency's smallest coin.
func (c Currency) MinorUnits() int { return minorUnits[c] }

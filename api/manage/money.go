package manage

import (
	"mazad/api/manage/wire"
	"mazad/internal/money"
)

// micros reads an optional amount. The contract has checked it already, so an
// error here is a difference between the two and is said as such.
func micros(field string, d *wire.Decimal) (*money.Micros, error) {
	if d == nil {
		return nil, nil
	}
	m, err := d.Micros()
	if err != nil {
		return nil, invalidValue(field, "MALFORMED", err.Error(), string(*d), "")
	}
	return &m, nil
}

package campaign

import (
	"time"

	"mazad/internal/id"
	"mazad/internal/money"
)

// Meta is what the store keeps of every object. Version counts the edits from 1
// and is what If-Match compares.
type Meta struct {
	Version    int64     `json:"version"`
	CreatedAt  time.Time `json:"create_time"`
	ModifiedAt time.Time `json:"modify_time"`
}

// BusinessCenter groups advertisers for an agency or a brand.
type BusinessCenter struct {
	ID   id.BusinessCenter `json:"bc_id,string"`
	Name string            `json:"bc_name"`
	Meta
}

// Advertiser is the tenant: everything below it belongs to it for life.
// Currency and Zone are fixed at creation.
type Advertiser struct {
	ID             id.Advertiser     `json:"advertiser_id,string"`
	BusinessCenter id.BusinessCenter `json:"bc_id,string"` // 0 = none
	Name           string            `json:"advertiser_name"`
	Currency       money.Currency    `json:"currency"`
	Zone           string            `json:"timezone"` // IANA
	Status         AdvertiserStatus  `json:"status"`
	SpendCap       money.Micros      `json:"spend_cap_micros"` // lifetime; 0 = none
	Meta
}

// AdvertiserPatch is a partial update; nil leaves a field as it is.
type AdvertiserPatch struct {
	Name     *string
	Status   *AdvertiserStatus
	SpendCap *money.Micros
}

// Validate checks a business center.
func (b *BusinessCenter) Validate() error {
	var l list
	l.name("bc_name", b.Name, MaxName)
	return l.err()
}

// Defaults fills what may be left out.
func (a *Advertiser) Defaults() {
	if a.Status == "" {
		a.Status = AdvertiserEnabled
	}
}

// Validate checks an advertiser.
func (a *Advertiser) Validate() error {
	var l list
	l.name("advertiser_name", a.Name, MaxName)
	if _, err := money.ParseCurrency(string(a.Currency)); err != nil {
		l.add(CodeUnknownValue, "currency", string(a.Currency), "", "is not a currency that is billed in")
	}
	l.zone("timezone", a.Zone)
	enum(&l, "status", a.Status, AdvertiserEnabled, AdvertiserDisabled, AdvertiserPending)
	if a.SpendCap != 0 {
		l.amount("spend_cap", a.SpendCap, MaxBudget)
	}
	return l.err()
}

// zone checks an IANA name. "Local" and "" would follow the machine.
func (l *list) zone(field, name string) {
	if name == "" || name == "Local" || len(name) > 64 {
		l.add(CodeUnknownValue, field, name, "", "must be an IANA time zone such as Asia/Riyadh")
		return
	}
	if _, err := time.LoadLocation(name); err != nil {
		l.add(CodeUnknownValue, field, name, "", "is not an IANA time zone")
	}
}

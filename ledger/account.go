package ledger

import (
	"time"

	"mazad/internal/id"
	"mazad/internal/money"
)

// AccountKind is what an account is for. It is stored: append only.
type AccountKind uint8

// The kinds of accounts. A wallet is what we owe an advertiser: top-ups credit
// it, spend debits it. Cash is what came in, revenue is what was earned,
// adjustments are goodwill and corrections; each exists once per currency.
const (
	Wallet AccountKind = iota + 1
	Cash
	Revenue
	Adjustments
)

func (k AccountKind) String() string {
	switch k {
	case Wallet:
		return "wallet"
	case Cash:
		return "cash"
	case Revenue:
		return "revenue"
	case Adjustments:
		return "adjustments"
	}
	return "unknown account"
}

// Account names an account. Owner is 0 for the house's own.
type Account struct {
	Kind     AccountKind
	Owner    id.Advertiser
	Currency money.Currency
}

// WalletOf names an advertiser's wallet.
func WalletOf(adv id.Advertiser, c money.Currency) Account { return Account{Wallet, adv, c} }

// HouseAccount names one of the house's own accounts.
func HouseAccount(k AccountKind, c money.Currency) Account { return Account{Kind: k, Currency: c} }

// Balance is an account with what went in and out.
type Balance struct {
	Account
	Debits  money.Sum
	Credits money.Sum
}

// Left is what a wallet can still pay: credits minus debits.
func (b Balance) Left() money.Sum { return b.Credits.Sub(b.Debits) }

// TransferKind is why money moved. It is stored: append only.
type TransferKind uint8

// The kinds of transfers.
const (
	TopUps      TransferKind = iota + 1 // cash -> wallet
	Refunds                             // wallet -> cash
	Spending                            // wallet -> revenue, one per ad group and second of a batch
	Corrections                         // wallet <-> adjustments
)

func (k TransferKind) String() string {
	switch k {
	case TopUps:
		return "TOP_UP"
	case Refunds:
		return "REFUND"
	case Spending:
		return "SPEND"
	case Corrections:
		return "CORRECTION"
	}
	return "UNKNOWN"
}

// Transfer is one entry pair: Amount is debited from one account and credited
// to another of the same currency.
type Transfer struct {
	ID     int64 // rises with the order of posting
	Kind   TransferKind
	Debit  Account
	Credit Account
	Amount money.Sum // > 0
	At     time.Time // when it was posted
	Key    string    // idempotency: advertiser and request id; empty for spend
	Note   string

	// Of a Spending transfer.
	Batch    int64 // the batch that posted it
	Campaign id.Campaign
	AdGroup  id.AdGroup
	Second   int64
	Day      int32
	Count    int64 // billed events
}

// TopUp is money that came in for an advertiser. RequestID makes it happen
// once: the same id with another amount or currency is a Conflict.
type TopUp struct {
	RequestID  string
	Advertiser id.Advertiser
	Currency   money.Currency
	Amount     money.Micros
	Note       string
}

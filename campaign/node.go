package campaign

import (
	"context"
	"fmt"
)

// MaxNodes is how many node numbers there are: they are part of ids and tokens.
const MaxNodes = idMaxNode + 1

// Limits of a NodeClaim.
const (
	MaxNodeOwner   = 64  // bytes
	MaxNodeAddress = 255 // bytes
)

// NodeClaim is how a process asks for its node number.
type NodeClaim struct {
	// Owner names the data directory of the process, which no two running
	// processes share. The same owner gets the same number for ever: the diary of
	// that number is in that directory.
	Owner string
	// Address is where other nodes reach this one, http(s)://host:port; empty if they need not.
	Address string
	// Number is what the operator wants it to be; negative: any.
	Number int
}

// Validate names the first field out of range.
func (c NodeClaim) Validate() error {
	if c.Owner == "" || len(c.Owner) > MaxNodeOwner {
		return &Error{Kind: Invalid, Code: CodeOutOfRange, Field: "owner", Value: fmt.Sprint(len(c.Owner), " bytes"), Limit: fmt.Sprintf("1 to %d bytes", MaxNodeOwner)}
	}
	if len(c.Address) > MaxNodeAddress {
		return &Error{Kind: Invalid, Code: CodeTooLong, Field: "address", Value: fmt.Sprint(len(c.Address), " bytes"), Limit: fmt.Sprintf("%d bytes", MaxNodeAddress)}
	}
	if c.Number > idMaxNode {
		return &Error{Kind: Invalid, Code: CodeOutOfRange, Field: "node", Value: fmt.Sprint(c.Number), Limit: fmt.Sprintf("at most %d", idMaxNode)}
	}
	return nil
}

// Node is a node as the store knows it.
type Node struct {
	Number     uint16
	Generation uint32 // of its newest life
	Owner      string
	Address    string
	// Beat rises while the node lives. Nobody compares clocks: a node whose Beat
	// stands still for long is dead.
	Beat int64
	Left bool // it was stopped in good order and has not come back
}

// Nodes is who serves from one store.
type Nodes interface {
	// ClaimNode starts a new life of the owner's node; an owner that is new gets
	// the number it wants, or the lowest never given away. Conflict: the number is
	// another's, or the owner has another one. The Store mints ids with that number
	// from then on.
	ClaimNode(ctx context.Context, c NodeClaim) (Generation, error)
	// BeatNode says that the life goes on. Conflict: a later life has begun, so
	// this one is over.
	BeatNode(ctx context.Context, g Generation) error
	// LeaveNode says that the life ended in good order.
	LeaveNode(ctx context.Context, g Generation) error
	// ListNodes are all nodes that ever were, by number.
	ListNodes(ctx context.Context) ([]Node, error)
}

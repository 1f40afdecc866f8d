package audience

// Segment is a named set of users.
type Segment uint32

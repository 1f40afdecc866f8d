package events

// Batch is an encoded sequence of records, opened for reading.
type Batch struct{}

// Next decodes the next record into r. ok is false at the end.
func (b *Batch) Next(r *Record, keys Keys) (ok bool, err error) { return false, nil }

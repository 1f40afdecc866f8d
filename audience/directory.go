package audience

// Directory finds profiles by user id.
type Directory struct{}

// NewDirectory returns an empty directory. seed makes the placement of ids
// unpredictable.
func NewDirectory(seed uint64) *Directory { return &Directory{} }

// Lookup fills p with the profile of the user and reports whether the id is
// known; if not, p is the empty profile.
func (d *Directory) Lookup(userID []byte, p *Profile) bool { p.Reset(); return false }

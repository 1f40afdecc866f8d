package targeting

// Ord is the position of a rule in the slice given to Build.
type Ord uint32

// Index answers which rules accept a request.
type Index struct{}

// Scratch is the working memory of one goroutine.
type Scratch struct{}

// Build makes the index of rules; Ord is the position in the slice.
func Build(rules []Rule) *Index { return &Index{} }

// MatchPersonal returns every rule that accepts q, ascending.
func (ix *Index) MatchPersonal(q *Personal, s *Scratch) []Ord { return nil }

// MatchContextual returns every rule that is not personal and accepts q.
func (ix *Index) MatchContextual(q *Contextual, s *Scratch) []Ord { return nil }

// Why names the dimension by which rule ord refuses q.
func (ix *Index) Why(ord Ord, q *Personal) Dimension { return DimensionInvalid }

// WhyContextual is Why for a contextual request.
func (ix *Index) WhyContextual(ord Ord, q *Contextual) Dimension { return DimensionInvalid }

// Len is the number of rules.
func (ix *Index) Len() int { return 0 }

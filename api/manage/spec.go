package manage

import (
	_ "embed"
	"fmt"
	"net/http"
	"regexp"
	"sort"

	"github.com/getkin/kin-openapi/openapi3"
)

// specText is the contract; everything else in this package follows from it.
//
//go:embed openapi.yaml
var specText []byte

// Spec returns the contract as YAML text.
func Spec() []byte { return append([]byte(nil), specText...) }

// scope says whose data an operation touches. It is written at each operation
// of the spec (x-scope), so that a new operation cannot forget it.
type scope string

const (
	scopePublic      scope = "public"      // no token
	scopeToken       scope = "token"       // any management token; the answer holds only what it reaches
	scopeAdvertiser  scope = "advertiser"  // advertiser_id is required and must be reachable
	scopeAdvertisers scope = "advertisers" // advertiser_ids is required and each must be reachable
	scopeOwner       scope = "owner"       // advertiser_id or bc_id, or neither: the token's own owner
	scopeBC          scope = "bc"          // bc_id, or the token's own; the token must belong to a business center
	scopeOperator    scope = "operator"    // the operator's key only
)

// operation is what the door needs to know about a route; immutable.
type operation struct {
	id     string
	method string
	path   string
	scope  scope
	write  bool
	secret string // member of data that must not be kept (x-secret)
	params []*openapi3.Parameter
	body   *openapi3.Schema // nil without a body
}

// contract is the loaded spec; immutable.
type contract struct {
	doc      *openapi3.T
	ops      map[string]map[string]*operation // path -> method
	patterns map[string]*regexp.Regexp
}

func loadContract() (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(specText)
	if err != nil {
		return nil, fmt.Errorf("load openapi.yaml: %w", err)
	}
	c := &contract{doc: doc, ops: map[string]map[string]*operation{}, patterns: map[string]*regexp.Regexp{}}
	for path, item := range doc.Paths.Map() {
		c.ops[path] = map[string]*operation{}
		for method, op := range item.Operations() {
			o, err := c.operation(path, method, op)
			if err != nil {
				return nil, fmt.Errorf("openapi.yaml: %s %s: %w", method, path, err)
			}
			c.ops[path][method] = o
		}
	}
	return c, nil
}

func (c *contract) operation(path, method string, op *openapi3.Operation) (*operation, error) {
	name, _ := op.Extensions["x-scope"].(string)
	o := &operation{id: op.OperationID, method: method, path: path, scope: scope(name), write: method != http.MethodGet}
	o.secret, _ = op.Extensions["x-secret"].(string)
	switch o.scope {
	case scopePublic, scopeToken, scopeAdvertiser, scopeAdvertisers, scopeOwner, scopeBC, scopeOperator:
	default:
		return nil, fmt.Errorf("x-scope %q is not a scope", name)
	}
	for _, ref := range op.Parameters {
		o.params = append(o.params, ref.Value)
		if err := c.compile(paramSchema(ref.Value), map[*openapi3.Schema]bool{}); err != nil {
			return nil, err
		}
	}
	if op.RequestBody != nil {
		o.body = op.RequestBody.Value.Content.Get("application/json").Schema.Value
		if err := c.compile(o.body, map[*openapi3.Schema]bool{}); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// compile collects the patterns below a schema and refuses what shape cannot check.
func (c *contract) compile(s *openapi3.Schema, seen map[*openapi3.Schema]bool) error {
	if seen[s] {
		return nil
	}
	seen[s] = true
	if len(s.AllOf)+len(s.AnyOf)+len(s.OneOf) > 0 || s.Not != nil {
		return fmt.Errorf("allOf, anyOf, oneOf and not are not used in requests: shape does not check them")
	}
	if s.Pattern != "" && c.patterns[s.Pattern] == nil {
		re, err := regexp.Compile(s.Pattern)
		if err != nil {
			return err
		}
		c.patterns[s.Pattern] = re
	}
	if s.Items != nil {
		if err := c.compile(s.Items.Value, seen); err != nil {
			return err
		}
	}
	for name, child := range s.Properties {
		if err := c.compile(child.Value, seen); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// paramSchema finds the schema of a plain or a JSON-encoded parameter.
func paramSchema(p *openapi3.Parameter) *openapi3.Schema {
	if media := p.Content.Get("application/json"); media != nil {
		return media.Schema.Value
	}
	return p.Schema.Value
}

// sorted lists the operations by path, for documents and tests.
func (c *contract) sorted() []*operation {
	var out []*operation
	for _, methods := range c.ops {
		for _, o := range methods {
			out = append(out, o)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].path+out[i].method < out[j].path+out[j].method })
	return out
}

package manage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"mazad/api/manage"
	"mazad/api/manage/wire"

	"github.com/getkin/kin-openapi/openapi3"
)

// spec checks responses; it is stricter than the contract that is published:
// a member that the contract does not name fails.
type spec struct {
	doc *openapi3.T

	mu   sync.Mutex
	seen map[string]bool // operations that answered with code 0
}

func loadSpec(t testing.TB) *spec {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(manage.Spec())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range doc.Components.Schemas {
		closeObjects(s.Value, map[*openapi3.Schema]bool{})
	}
	return &spec{doc: doc, seen: map[string]bool{}}
}

func closeObjects(s *openapi3.Schema, seen map[*openapi3.Schema]bool) {
	if s == nil || seen[s] {
		return
	}
	seen[s] = true
	if len(s.Properties) > 0 && s.AdditionalProperties.Has == nil && s.AdditionalProperties.Schema == nil {
		s.AdditionalProperties.Has = openapi3.Ptr(false)
	}
	for _, p := range s.Properties {
		closeObjects(p.Value, seen)
	}
	if s.Items != nil {
		closeObjects(s.Items.Value, seen)
	}
}

func (s *spec) checkResponse(t testing.TB, method, path string, a answer) {
	t.Helper()
	schema := s.doc.Components.Schemas["ErrorResponse"].Value
	if a.code() == 0 {
		item := s.doc.Paths.Find(strings.TrimSuffix(path, "/") + "/")
		if item == nil || item.GetOperation(method) == nil {
			t.Fatalf("%s %s answers but is not in the contract", method, path)
		}
		op := item.GetOperation(method)
		schema = op.Responses.Value("200").Value.Content.Get("application/json").Schema.Value
		s.mu.Lock()
		s.seen[op.OperationID] = true
		s.mu.Unlock()
	}
	var v any
	if err := json.Unmarshal([]byte(a.raw), &v); err != nil {
		t.Fatal(err)
	}
	if err := schema.VisitJSON(v, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors()); err != nil {
		t.Fatalf("%s %s: the answer breaks the contract: %v\n%s", method, path, err, a.raw)
	}
	if a.header.Get("X-Request-Id") == "" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("%s %s: headers are missing: %v", method, path, a.header)
	}
}

func TestContractIsValid(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(manage.Spec())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !strings.HasSuffix(path, "/") {
				t.Errorf("%s: paths end in a slash", path)
			}
			if ids[op.OperationID] != "" {
				t.Errorf("%s is the id of %s and of %s", op.OperationID, ids[op.OperationID], path)
			}
			ids[op.OperationID] = path
			if op.Summary == "" || len(op.Tags) != 1 || op.Responses.Value("default") == nil {
				t.Errorf("%s %s: needs a summary, one tag and a default response", method, path)
			}
			if s, _ := op.Extensions["x-stability"].(string); !slices.Contains([]string{"experimental", "release_candidate", "stable"}, s) {
				t.Errorf("%s %s: x-stability %q", method, path, s)
			}
			if body := op.RequestBody; body != nil {
				s := body.Value.Content.Get("application/json").Schema.Value
				if s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has {
					t.Errorf("%s %s: the body is open; unknown fields would pass", method, path)
				}
			}
		}
	}
}

func TestGeneratedCodeIsUpToDate(t *testing.T) {
	sum := sha256.Sum256(manage.Spec())
	if got := hex.EncodeToString(sum[:]); got != wire.SpecSHA256 {
		t.Fatalf("wire/openapi.gen.go is of another openapi.yaml: run go generate ./api/manage/wire (contract %s, code %s)", got, wire.SpecSHA256)
	}
	tool := os.Getenv("OAPI_CODEGEN")
	if tool == "" {
		t.Log("OAPI_CODEGEN does not name an oapi-codegen binary: compared by hash only")
		return
	}
	cmd := exec.Command(tool, "-config", "api/manage/wire/generate.yaml", "-o", "/dev/stdout", "api/manage/openapi.yaml")
	cmd.Dir = "../.."
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("wire/openapi.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(want, bytes.TrimSpace(got)) {
		t.Fatal("wire/openapi.gen.go was edited by hand or made by another generator")
	}
}

func TestPagesAreServed(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{"/openapi.yaml": "openapi: 3.1.0", "/docs": "/open_api/v1.3/adgroup/create/"} {
		a := w.page(path)
		if a.status != http.StatusOK || !strings.Contains(a.raw, want) {
			t.Errorf("%s: %d, without %q", path, a.status, want)
		}
		if strings.Contains(a.raw, "<script") || strings.Contains(a.raw, "src=") {
			t.Errorf("%s loads something", path)
		}
	}
}

// TestReferenceNamesEveryOperation keeps docs/api-manage.md complete.
func TestReferenceNamesEveryOperation(t *testing.T) {
	text, err := os.ReadFile("../../docs/api-manage.md")
	if err != nil {
		t.Fatal(err)
	}
	s := loadSpec(t)
	for path, item := range s.doc.Paths.Map() {
		for method := range item.Operations() {
			if row := "| " + method + " | `" + path + "` |"; !strings.Contains(string(text), row) {
				t.Errorf("docs/api-manage.md lacks %s", row)
			}
		}
	}
}

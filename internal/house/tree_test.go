package house_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// module is the path every import of our own starts with.
const module = "mazad"

// source is one Go file, parsed but not type-checked.
type source struct {
	Path string // slash-separated, relative to the root of the repository
	Dir  string
	Text []byte
	Fset *token.FileSet
	AST  *ast.File
}

// isTest is true of test files and of conformance suites and oracles, which
// are packages of their own named after what they test (storetest).
func (s *source) isTest() bool {
	return strings.HasSuffix(s.Path, "_test.go") || isSuite(s.Dir)
}

func isSuite(dir string) bool { return strings.HasSuffix(dir, "test") }

func (s *source) generated() bool { return ast.IsGenerated(s.AST) }
func (s *source) lines() int      { return bytes.Count(s.Text, []byte("\n")) }

// at names a position as path:line.
func (s *source) at(p token.Pos) string {
	return s.Path + ":" + strconv.Itoa(s.Fset.Position(p).Line)
}

// eachImport calls f with every import path and where it stands.
func (s *source) eachImport(f func(importPath, where string)) {
	for _, spec := range s.AST.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			f(p, s.at(spec.Pos()))
		}
	}
}

// localNames maps the name a file uses for a package to its import path.
func (s *source) localNames() map[string]string {
	names := map[string]string{}
	for _, spec := range s.AST.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(p)
		if name == "v2" || name == "v3" {
			name = path.Base(path.Dir(p))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

// eachUse calls f with every qualified name pkg.Name that a file mentions.
func (s *source) eachUse(f func(importPath, name, where string)) {
	names := s.localNames()
	ast.Inspect(s.AST, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Obj == nil && names[x.Name] != "" {
			f(names[x.Name], sel.Sel.Name, s.at(sel.Pos()))
		}
		return true
	})
}

func parse(name string, text []byte) (*source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	return &source{Path: name, Dir: path.Dir(name), Text: text, Fset: fset, AST: file}, nil
}

// sample parses a made-up file, for the tests that show that a rule can fail.
func sample(t *testing.T, name, text string) *source {
	t.Helper()
	s, err := parse(name, []byte(text))
	if err != nil {
		t.Fatalf("sample %s: %v", name, err)
	}
	return s
}

// repository is what the rules look at, read once.
type repository struct {
	Root    string
	Sources []*source
	Files   []string // every kept file, Go or not, relative to Root
}

var leftovers = []string{".git", "node_modules", "var", "bin", "dist"}

var readRepository = sync.OnceValues(func() (*repository, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for !exists(filepath.Join(root, "go.mod")) {
		if root == filepath.Dir(root) {
			return nil, os.ErrNotExist
		}
		root = filepath.Dir(root)
	}
	r := &repository{Root: root}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		rel = filepath.ToSlash(rel)
		if !d.IsDir() && slices.Contains(leftovers, d.Name()) { // .git is a file in a linked work tree; node_modules may be a link
			return nil
		}
		if d.IsDir() {
			foreign := rel != "." && exists(filepath.Join(p, "go.mod")) // a module of its own: its folder counts, its rules are its own
			if foreign {
				r.Files = append(r.Files, rel+"/go.mod")
			}
			if slices.Contains(leftovers, d.Name()) || foreign || strings.HasSuffix(rel, "testdata/rapid") {
				return filepath.SkipDir
			}
			return nil
		}
		r.Files = append(r.Files, rel)
		if !strings.HasSuffix(rel, ".go") || strings.Contains(rel, "testdata/") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		s, err := parse(rel, text)
		if err != nil {
			return err
		}
		r.Sources = append(r.Sources, s)
		return nil
	})
	return r, err
})

func repo(t *testing.T) *repository {
	t.Helper()
	r, err := readRepository()
	if err != nil {
		t.Fatalf("read the repository: %v", err)
	}
	return r
}

func (r *repository) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.Root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// report fails a test once per complaint.
func report(t *testing.T, complaints []string) {
	t.Helper()
	slices.Sort(complaints)
	for _, c := range complaints {
		t.Error(c)
	}
}

// wantComplaint fails when no complaint holds every one of the words.
func wantComplaint(t *testing.T, complaints []string, words ...string) {
	t.Helper()
	for _, c := range complaints {
		all := true
		for _, w := range words {
			all = all && strings.Contains(c, w)
		}
		if all {
			return
		}
	}
	t.Errorf("no complaint has %q; got %q", words, complaints)
}

// wantNone fails when there is a complaint about a good sample.
func wantNone(t *testing.T, complaints []string) {
	t.Helper()
	if len(complaints) > 0 {
		t.Errorf("complaints about a good sample: %q", complaints)
	}
}

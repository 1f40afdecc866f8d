package house_test

import (
	"fmt"
	"go/ast"
	"strings"
	"testing"
)

const (
	maxFileLines = 500 // a file that a person can hold in mind; aim for 300
	maxFuncLines = 70  // one screen
	maxArgs      = 5   // above it a constructor takes a Config
)

// fileExceptions and funcExceptions are ratchets: the present size and why it
// is more than the limit. The entry must be lowered when the code shrinks.
// Test functions, generated files and flat wiring listed here by name are the
// only ones that may be longer.
var (
	fileExceptions = map[string]ratchet{}
	funcExceptions = map[string]ratchet{}
)

type ratchet struct {
	lines int
	why   string
}

func (r ratchet) check(what string, lines, limit int) string {
	switch {
	case r.lines == 0 && lines > limit:
		return fmt.Sprintf("%s has %d lines, the limit is %d", what, lines, limit)
	case r.lines > 0 && r.why == "":
		return what + " is an exception without a reason"
	case r.lines > 0 && lines <= limit:
		return what + " fits the limit now: remove its exception"
	case r.lines > 0 && lines != r.lines:
		return fmt.Sprintf("%s has %d lines, its exception says %d: exceptions may only shrink", what, lines, r.lines)
	}
	return ""
}

func checkFileSizes(files []*source, exceptions map[string]ratchet) (bad []string) {
	for _, s := range files {
		if s.generated() {
			continue
		}
		if c := exceptions[s.Path].check(s.Path, s.lines(), maxFileLines); c != "" {
			bad = append(bad, c)
		}
	}
	return bad
}

func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	typ := f.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}

func checkFuncSizes(files []*source, exceptions map[string]ratchet) (bad []string) {
	for _, s := range files {
		if s.isTest() || s.generated() {
			continue
		}
		for _, d := range s.AST.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			lines := s.Fset.Position(f.End()).Line - s.Fset.Position(f.Pos()).Line + 1
			name := s.Path + " " + funcName(f)
			if c := exceptions[name].check(name, lines, maxFuncLines); c != "" {
				bad = append(bad, c)
			}
		}
	}
	return bad
}

// checkConstructors wants a Config where a constructor takes many arguments.
func checkConstructors(files []*source) (bad []string) {
	for _, s := range files {
		if s.isTest() || s.generated() {
			continue
		}
		for _, d := range s.AST.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !constructorName(f.Name.Name) {
				continue
			}
			if n := f.Type.Params.NumFields(); n > maxArgs {
				bad = append(bad, fmt.Sprintf("%s: %s takes %d arguments: over %d, take a Config", s.at(f.Pos()), f.Name.Name, n, maxArgs))
			}
		}
	}
	return bad
}

func constructorName(name string) bool {
	for _, p := range []string{"New", "Open", "Start", "new", "open", "start"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

func TestFilesAreShort(t *testing.T)           { report(t, checkFileSizes(repo(t).Sources, fileExceptions)) }
func TestFunctionsAreShort(t *testing.T)       { report(t, checkFuncSizes(repo(t).Sources, funcExceptions)) }
func TestConstructorsTakeAConfig(t *testing.T) { report(t, checkConstructors(repo(t).Sources)) }

func TestSizeRulesCanFail(t *testing.T) {
	long := []*source{sample(t, "auction/a.go", "package p\nfunc (x *T[K]) f() {\n"+strings.Repeat("\n", maxFileLines)+"}\n")}
	wantComplaint(t, checkFileSizes(long, nil), "503 lines")
	wantComplaint(t, checkFuncSizes(long, nil), "auction/a.go T.f has 502")
	wantNone(t, checkFuncSizes(long, map[string]ratchet{"auction/a.go T.f": {502, "a table"}}))
	wantComplaint(t, checkFuncSizes(long, map[string]ratchet{"auction/a.go T.f": {600, "a table"}}), "may only shrink")
	wantComplaint(t, checkFuncSizes(long, map[string]ratchet{"auction/a.go T.f": {502, ""}}), "without a reason")
	short := []*source{sample(t, "auction/a.go", "package p\nfunc NewX(a, b, c, d, e, f int) {}\n")}
	wantComplaint(t, checkFuncSizes(short, map[string]ratchet{"auction/a.go NewX": {90, "was long"}}), "remove its exception")
	wantComplaint(t, checkConstructors(short), "NewX takes 6")
}

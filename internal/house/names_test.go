package house_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// bannedNames say where a thing was put, not what it is.
var bannedNames = []string{"util", "utils", "common", "helper", "helpers", "types", "models", "model", "misc", "base", "shared", "lib", "tools"}

func checkNames(files []*source) (bad []string) {
	for _, s := range files {
		stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.Path), ".go"), "_test")
		if slices.Contains(bannedNames, s.AST.Name.Name) || slices.Contains(bannedNames, path.Base(s.Dir)) {
			bad = append(bad, fmt.Sprintf("%s: package %q is a drawer, name it after its noun", s.Path, s.AST.Name.Name))
		}
		// prediction has a Model: there it is a noun of science.
		if slices.Contains(bannedNames, stem) && (stem != "model" || s.Dir != "prediction") {
			bad = append(bad, fmt.Sprintf("%s: a file called %q is a drawer, name it after its type or step", s.Path, stem))
		}
	}
	return bad
}

// globalExceptions are "path name" pairs of package variables that change.
var globalExceptions = map[string]string{}

// checkGlobals refuses init functions and package variables that change: state
// has an owner and is passed to whoever uses it.
func checkGlobals(files []*source, exceptions map[string]string) (bad []string) {
	globals := map[string]map[string]bool{} // by directory
	for _, s := range files {
		if s.isTest() || s.generated() {
			continue
		}
		if globals[s.Dir] == nil {
			globals[s.Dir] = map[string]bool{}
		}
		for _, d := range s.AST.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					bad = append(bad, s.at(d.Pos())+": func init: let cmd build what it needs, explicitly")
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR {
					bad = append(bad, guards(s, d, exceptions)...)
					for _, name := range varNames(d) {
						globals[s.Dir][name] = true
					}
				}
			}
		}
	}
	for _, s := range files {
		if !s.isTest() && !s.generated() {
			bad = append(bad, assignments(s, globals[s.Dir], exceptions)...)
		}
	}
	return bad
}

func varNames(d *ast.GenDecl) (names []string) {
	for _, spec := range d.Specs {
		for _, n := range spec.(*ast.ValueSpec).Names {
			names = append(names, n.Name)
		}
	}
	return names
}

// guards finds package variables whose very type says that they change.
func guards(s *source, d *ast.GenDecl, exceptions map[string]string) (bad []string) {
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		typ, _ := v.Type.(*ast.SelectorExpr)
		if typ == nil {
			continue
		}
		x, _ := typ.X.(*ast.Ident)
		if x != nil && (x.Name == "sync" || x.Name == "atomic") && exceptions[s.Path+" "+v.Names[0].Name] == "" {
			bad = append(bad, fmt.Sprintf("%s: package variable %s is a %s.%s: state has an owner, put it in a struct", s.at(v.Pos()), v.Names[0].Name, x.Name, typ.Sel.Name))
		}
	}
	return bad
}

// assignments finds writes to package variables inside functions.
func assignments(s *source, globals map[string]bool, exceptions map[string]string) (bad []string) {
	elsewhere := map[*ast.Ident]bool{} // names that this file does not declare
	for _, id := range s.AST.Unresolved {
		elsewhere[id] = true
	}
	write := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
				continue
			case *ast.SelectorExpr:
				e = x.X
				continue
			case *ast.StarExpr:
				e = x.X
				continue
			}
			break
		}
		id, ok := e.(*ast.Ident)
		if !ok || !globals[id.Name] || exceptions[s.Path+" "+id.Name] != "" {
			return
		}
		if id.Obj == s.AST.Scope.Lookup(id.Name) && (id.Obj != nil || elsewhere[id]) {
			bad = append(bad, fmt.Sprintf("%s: writes package variable %s: state has an owner, put it in a struct", s.at(id.Pos()), id.Name))
		}
	}
	ast.Inspect(s.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				if n.Tok != token.DEFINE {
					write(e)
				}
			}
		case *ast.IncDecStmt:
			write(n.X)
		}
		return true
	})
	return bad
}

// moneyWords are what a float must not be called. A ratio (ctr, share, rate) may be a float.
var moneyWords = regexp.MustCompile(`(?i)(micros|nanos|price|budget|spend|spent|amount|balance|revenue|payout|commission|bid|bids|cpm|cpc|cpv|floor)$`)

// moneyExceptions are "path name" pairs of floats whose name looks like money, with a reason.
var moneyExceptions = map[string]string{}

func checkMoney(files []*source, exceptions map[string]string) (bad []string) {
	for _, s := range files {
		if s.isTest() || s.generated() || room(s.Dir) == "bench" {
			continue
		}
		ast.Inspect(s.AST, func(n ast.Node) bool {
			var names []*ast.Ident
			var typ ast.Expr
			switch n := n.(type) {
			case *ast.Field:
				names, typ = n.Names, n.Type
			case *ast.ValueSpec:
				names, typ = n.Names, n.Type
			}
			if id, ok := typ.(*ast.Ident); !ok || id.Name != "float64" && id.Name != "float32" {
				return true
			}
			for _, name := range names {
				if moneyWords.MatchString(name.Name) && exceptions[s.Path+" "+name.Name] == "" {
					bad = append(bad, fmt.Sprintf("%s: %s is a float: money is money.Micros, money.Nanos or money.Sum", s.at(name.Pos()), name.Name))
				}
			}
			return true
		})
	}
	return bad
}

func checkSleeps(files []*source) (bad []string) {
	for _, s := range files {
		if !s.isTest() {
			continue
		}
		s.eachUse(func(p, name, where string) {
			if p == "time" && name == "Sleep" {
				bad = append(bad, where+": a test sleeps: move a clock.Fake, wait on a channel, or use testing/synctest")
			}
		})
	}
	return bad
}

func TestPackagesAreNamedAfterNouns(t *testing.T) { report(t, checkNames(repo(t).Sources)) }
func TestNoInitAndNoMutableGlobals(t *testing.T) {
	report(t, checkGlobals(repo(t).Sources, globalExceptions))
}
func TestNoFloatHoldsMoney(t *testing.T) { report(t, checkMoney(repo(t).Sources, moneyExceptions)) }
func TestTestsNeverSleep(t *testing.T)   { report(t, checkSleeps(repo(t).Sources)) }

func TestNameRulesCanFail(t *testing.T) {
	one := func(file, text string) []*source { return []*source{sample(t, file, text)} }
	wantComplaint(t, checkNames(one("auction/util/a.go", "package util\n")), "drawer")
	wantComplaint(t, checkNames(one("auction/helpers_test.go", "package auction\n")), "helpers")
	wantNone(t, checkNames(one("prediction/model.go", "package prediction\n")))

	wantComplaint(t, checkGlobals(one("events/a.go", "package events\nfunc init() {}\n"), nil), "func init")
	wantComplaint(t, checkGlobals(one("events/a.go", "package events\nvar mu sync.Mutex\n"), nil), "mu is a sync.Mutex")
	counter := "package events\nvar n int\nfunc f() { n++ }\n"
	wantComplaint(t, checkGlobals(one("events/a.go", counter), nil), "events/a.go:3", "variable n")
	wantNone(t, checkGlobals(one("events/a.go", counter), map[string]string{"events/a.go n": "why"}))
	wantNone(t, checkGlobals(one("events/a.go", "package events\nvar n int\nfunc f() { n := 1; n++; _ = n }\n"), nil))
	apart := append(one("events/a.go", "package events\nvar seen = map[string]int{}\n"), one("events/b.go", "package events\nfunc f() { seen[``] = 1 }\n")...)
	wantComplaint(t, checkGlobals(apart, nil), "events/b.go:2", "seen")

	wantComplaint(t, checkMoney(one("campaign/a.go", "package campaign\ntype A struct{ DailyBudget float64 }\n"), nil), "DailyBudget")
	wantComplaint(t, checkMoney(one("auction/a.go", "package auction\nfunc f(price float32) {}\n"), nil), "price")
	wantNone(t, checkMoney(one("auction/a.go", "package auction\nfunc f(rate float64, price int64) {}\n"), nil))
	wantComplaint(t, checkSleeps(one("auction/a_test.go", "package auction\nimport \"time\"\nfunc f() { time.Sleep(1) }\n")), "sleeps")
}

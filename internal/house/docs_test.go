package house_test

import (
	"fmt"
	"go/ast"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// checkPackageDocs wants exactly one package comment per package, beginning as
// godoc expects.
func checkPackageDocs(files []*source) (bad []string) {
	docs, packages := map[string][]string{}, map[string]string{}
	for _, s := range files {
		if strings.HasSuffix(s.Path, "_test.go") {
			continue
		}
		name := s.AST.Name.Name
		packages[s.Dir] = name
		if s.AST.Doc == nil || s.generated() {
			continue
		}
		docs[s.Dir] = append(docs[s.Dir], s.Path)
		first := "Package " + name + " "
		if name == "main" {
			first = "Command "
		}
		if !strings.HasPrefix(s.AST.Doc.Text(), first) {
			bad = append(bad, fmt.Sprintf("%s: the package comment begins with %q", s.Path, first))
		}
	}
	for dir := range packages {
		if n := len(docs[dir]); n != 1 {
			bad = append(bad, fmt.Sprintf("%s: %d package comments %v, want exactly one: what it is for a newcomer", dir, n, docs[dir]))
		}
	}
	return bad
}

var firstCell = regexp.MustCompile("(?m)^\\| *`([a-z.]+)/` *\\|")

// checkMap compares the README's map of rooms with the folders there are.
func checkMap(readme string, folders []string) (bad []string) {
	_, section, ok := strings.Cut(readme, "## Map of rooms")
	if !ok {
		return []string{"README.md: no section \"Map of rooms\""}
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	for _, m := range firstCell.FindAllStringSubmatch(section, -1) {
		listed = append(listed, m[1])
	}
	for _, f := range folders {
		if !slices.Contains(listed, f) {
			bad = append(bad, "README.md: folder "+f+"/ is not in the map of rooms")
		}
	}
	for _, f := range listed {
		if !slices.Contains(folders, f) {
			bad = append(bad, "README.md: the map of rooms lists "+f+"/, which does not exist")
		}
	}
	return bad
}

var (
	invariantRow  = regexp.MustCompile(`(?m)^\| *I(\d+) *\|(.*)\|(.*)\|\s*$`)
	invariantTest = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]+)`")
)

const invariants = 13 // DESIGN.md section 5

// checkInvariants wants every invariant in a row of its own, defended by tests
// that exist or marked as the work of a later issue.
func checkInvariants(doc string, tests map[string]bool) (bad []string) {
	rows := invariantRow.FindAllStringSubmatch(doc, -1)
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) {
			bad = append(bad, fmt.Sprintf("INVARIANTS.md: row %d is I%s, want I%d", i+1, row[1], i+1))
		}
		named := invariantTest.FindAllStringSubmatch(row[3], -1)
		if len(named) == 0 && !strings.Contains(row[3], "later: ") {
			bad = append(bad, fmt.Sprintf("INVARIANTS.md: I%s names no test and is not marked \"later: \"", row[1]))
		}
		for _, n := range named {
			if !tests[n[1]+"."+n[2]] {
				bad = append(bad, fmt.Sprintf("INVARIANTS.md: I%s names %s in %s, which does not exist", row[1], n[2], n[1]))
			}
		}
	}
	if len(rows) != invariants {
		bad = append(bad, fmt.Sprintf("INVARIANTS.md: %d rows, want %d", len(rows), invariants))
	}
	return bad
}

var goTestRun = regexp.MustCompile("`[^`]*go test \\./([a-z0-9/]+) [^`]*-run '?([A-Za-z0-9_|\\\\]+)")

// checkReliability wants every promise of the page to name tests that exist and a
// command, and every `go test ./folder -run Pattern` to run something.
func checkReliability(doc string, tests map[string]bool) (bad []string) {
	promises, _, ok := strings.Cut(doc, "## What is not promised")
	if !ok {
		bad = append(bad, "RELIABILITY.md: no section \"What is not promised\"")
	}
	for _, n := range invariantTest.FindAllStringSubmatch(doc, -1) {
		if !tests[n[1]+"."+n[2]] {
			bad = append(bad, fmt.Sprintf("RELIABILITY.md: names %s in %s, which does not exist", n[2], n[1]))
		}
	}
	for _, m := range goTestRun.FindAllStringSubmatch(doc, -1) {
		for part := range strings.SplitSeq(m[2], `\|`) { // a bar inside a table
			if !runsSomething(part, m[1], tests) {
				bad = append(bad, fmt.Sprintf("RELIABILITY.md: -run %s finds no test in %s", part, m[1]))
			}
		}
	}
	rows := 0
	for line := range strings.Lines(promises) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| promise ") {
			continue
		}
		if rows++; len(cells) != 4 || !invariantTest.MatchString(cells[1]) || !strings.Contains(cells[3], "`") {
			bad = append(bad, fmt.Sprintf("RELIABILITY.md: %.60q: want a promise, its tests, a figure and a command", line))
		}
	}
	if rows == 0 {
		bad = append(bad, "RELIABILITY.md: no promises")
	}
	return bad
}

// runsSomething reports whether a folder has a test with part in its name.
func runsSomething(part, folder string, tests map[string]bool) bool {
	for name := range tests {
		if test, ok := strings.CutPrefix(name, folder+"."); ok && strings.HasPrefix(test, "Test") && strings.Contains(test, part) {
			return true
		}
	}
	return false
}

// testNames lists "folder.TestName" of every test and fuzz target.
func testNames(files []*source) map[string]bool {
	names := map[string]bool{}
	for _, s := range files {
		for _, d := range s.AST.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.isTest() && f.Recv == nil {
				names[s.Dir+"."+f.Name.Name] = true
			}
		}
	}
	return names
}

var (
	decisionName   = regexp.MustCompile(`^docs/decisions/(\d{4})-[a-z0-9-]+\.md$`)
	decisionDate   = regexp.MustCompile(`(?m)^Date: 20\d\d-\d\d-\d\d$`)
	decisionStatus = regexp.MustCompile(`(?m)^Status: (accepted|superseded by \d{4})$`)
)

// checkDecision wants a number of at least least: several decisions are written
// at the same time, so there may be gaps, but never a repeat.
func checkDecision(name, text string, least int) (bad []string) {
	m := decisionName.FindStringSubmatch(name)
	if m == nil || m[1] < fmt.Sprintf("%04d", least) {
		bad = append(bad, fmt.Sprintf("%s: want %04d-words.md or a higher number: there are no repeats", name, least))
	}
	if !decisionDate.MatchString(text) || !decisionStatus.MatchString(text) {
		bad = append(bad, name+": needs the lines \"Date: 2006-01-02\" and \"Status: accepted\" (or \"superseded by NNNN\")")
	}
	return bad
}

var glossaryRow = regexp.MustCompile(`(?m)^\| *([^|]+?) *\| *[^|]+ *\| *([a-z/]+) *\|$`)

// checkGlossary wants each word once, owned by a folder that exists.
func checkGlossary(doc string, exists func(folder string) bool) (bad []string) {
	seen := map[string]bool{}
	_, table, _ := strings.Cut(doc, "\n|---|---|---|\n") // behind the heading
	for _, m := range glossaryRow.FindAllStringSubmatch(table, -1) {
		if word := strings.ToLower(m[1]); seen[word] {
			bad = append(bad, "GLOSSARY.md: "+word+" has two meanings")
		} else {
			seen[word] = true
		}
		if !exists(m[2]) {
			bad = append(bad, fmt.Sprintf("GLOSSARY.md: %s is owned by %s, which does not exist", m[1], m[2]))
		}
	}
	if len(seen) == 0 {
		bad = append(bad, "GLOSSARY.md: no words")
	}
	return bad
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) { report(t, checkPackageDocs(repo(t).Sources)) }

func TestReadmeMapIsTheTree(t *testing.T) {
	r := repo(t)
	var folders []string
	for _, f := range r.Files {
		if top, _, ok := strings.Cut(f, "/"); ok && !slices.Contains(folders, top) {
			folders = append(folders, top)
		}
	}
	report(t, checkMap(r.read(t, "README.md"), folders))
}

func TestInvariantsNameTheirTests(t *testing.T) {
	r := repo(t)
	report(t, checkInvariants(r.read(t, "docs/INVARIANTS.md"), testNames(r.Sources)))
}

func TestReliabilityNamesItsTests(t *testing.T) {
	r := repo(t)
	report(t, checkReliability(r.read(t, "docs/RELIABILITY.md"), testNames(r.Sources)))
}

func TestGlossaryHasOneOwnerPerWord(t *testing.T) {
	r := repo(t)
	report(t, checkGlossary(r.read(t, "docs/GLOSSARY.md"), func(folder string) bool {
		info, err := os.Stat(r.Root + "/" + folder)
		return err == nil && info.IsDir()
	}))
}

func TestDecisionsAreDatedAndNumbered(t *testing.T) {
	r, least := repo(t), 1
	for _, f := range r.Files { // in lexical order
		if strings.HasPrefix(f, "docs/decisions/") {
			report(t, checkDecision(f, r.read(t, f), least))
			if m := decisionName.FindStringSubmatch(f); m != nil {
				n, _ := strconv.Atoi(m[1])
				least = n + 1
			}
		}
	}
	if least == 1 {
		t.Error("no decisions")
	}
}

func TestDocumentRulesCanFail(t *testing.T) {
	wantComplaint(t, checkPackageDocs([]*source{sample(t, "auction/a.go", "package auction\n")}), "auction: 0 package comments")
	wantComplaint(t, checkPackageDocs([]*source{sample(t, "auction/a.go", "// This one.\npackage auction\n")}), "begins with")
	doc := "// Package auction decides.\npackage auction\n"
	wantComplaint(t, checkPackageDocs([]*source{sample(t, "auction/a.go", doc), sample(t, "auction/b.go", doc)}), "2 package comments")

	readme := "## Map of rooms\n| folder | what |\n|---|---|\n| `auction/` | x |\n| `gone/` | x |\n\n## Next\n| `pacing/` | x |\n"
	wantComplaint(t, checkMap(readme, []string{"auction", "pacing"}), "pacing/ is not in the map")
	wantComplaint(t, checkMap(readme, []string{"auction"}), "gone/, which does not exist")

	tests := map[string]bool{"pacing.TestLimits": true}
	wantComplaint(t, checkInvariants("| I1 | rule | `pacing.TestGone` |\n", tests), "TestGone")
	wantComplaint(t, checkInvariants("| I1 | rule | soon |\n", tests), "names no test")
	wantComplaint(t, checkInvariants("| I2 | rule | `pacing.TestLimits` |\n", tests), "want I1")
	wantComplaint(t, checkInvariants("", tests), "0 rows")

	const rest = "\n## What is not promised\n"
	wantComplaint(t, checkReliability("| x | `pacing.TestGone` | 0 | `go test ./pacing -run Limits` |"+rest, tests), "names TestGone")
	wantComplaint(t, checkReliability("| x | `pacing.TestLimits` | 0 | `go test ./pacing -run 'Limits\\|Gone'` |"+rest, tests), "-run Gone finds no test")
	wantComplaint(t, checkReliability("| x | `pacing.TestLimits` | `go test ./pacing -run Limits` |"+rest, tests), "want a promise")
	wantComplaint(t, checkReliability("| x | TestLimits | 0 | `go test ./pacing -run Limits` |"+rest, tests), "want a promise")
	wantComplaint(t, checkReliability("| x | `pacing.TestLimits` | 0 | `go test ./pacing -run Limits` |", tests), "no section")
	wantComplaint(t, checkReliability(rest, tests), "no promises")

	wantComplaint(t, checkDecision("docs/decisions/0001-x.md", "Date: 2026-11-22\nStatus: accepted\n", 2), "want 0002")
	wantComplaint(t, checkDecision("docs/decisions/0001-x.md", "Status: accepted\n", 1), "needs the lines")
	wantComplaint(t, checkGlossary("\n|---|---|---|\n| Hold | x | pacing |\n| hold | y | pacing |\n", func(string) bool { return true }), "two meanings")
	wantComplaint(t, checkGlossary("\n|---|---|---|\n| Hold | x | pacing |\n", func(string) bool { return false }), "does not exist")
}

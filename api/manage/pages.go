package manage

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"sort"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed docs.gohtml
var docsFile embed.FS

func (s *Server) serveSpec(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=60")
	_, _ = w.Write(specText)
}

// serveDocs shows the contract as one plain page: no script, nothing from
// another host.
func (s *Server) serveDocs(w http.ResponseWriter, _ *http.Request) {
	page, err := s.docs()
	if err != nil {
		s.log.Error("docs page", "err", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=60")
	_, _ = w.Write(page)
}

// docsOnce renders the page when it is first asked for; it never changes.
func docsOnce(c *contract) func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) {
		t, err := template.New("docs.gohtml").ParseFS(docsFile, "docs.gohtml")
		if err != nil {
			return nil, err
		}
		var buf bytes.Buffer
		err = t.Execute(&buf, docsView(c))
		return buf.Bytes(), err
	})
}

type docsPage struct {
	Title, Version, Summary string
	About                   []string
	Groups                  []docsGroup
}

type docsGroup struct {
	Name, About string
	Operations  []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary, About, Scope, Stability string
	Query, Body, Answer                                []docsField
}

type docsField struct {
	Name, Type, About string
	Required          bool
	Values            []string
}

func docsView(c *contract) docsPage {
	page := docsPage{Title: c.doc.Info.Title, Version: c.doc.Info.Version, Summary: c.doc.Info.Summary,
		About: strings.Split(strings.TrimSpace(c.doc.Info.Description), "\n")}
	for _, tag := range c.doc.Tags {
		g := docsGroup{Name: tag.Name, About: tag.Description}
		for _, o := range c.sorted() {
			if op := c.doc.Paths.Find(o.path).GetOperation(o.method); op.Tags[0] == tag.Name {
				g.Operations = append(g.Operations, docsOperationOf(o, op))
			}
		}
		page.Groups = append(page.Groups, g)
	}
	return page
}

func docsOperationOf(o *operation, op *openapi3.Operation) docsOperation {
	stability, _ := op.Extensions["x-stability"].(string)
	out := docsOperation{ID: o.id, Method: o.method, Path: o.path, Summary: op.Summary, About: op.Description, Scope: string(o.scope), Stability: stability}
	for _, p := range o.params {
		f := docsFieldOf(p.Name, paramSchema(p), p.Required)
		if p.Description != "" {
			f.About = p.Description
		}
		if p.In == "header" {
			f.Name = "header " + p.Name
		}
		out.Query = append(out.Query, f)
	}
	if o.body != nil {
		out.Body = docsFields(o.body)
	}
	if media := op.Responses.Value("200").Value.Content.Get("application/json"); media != nil {
		out.Answer = docsFields(media.Schema.Value.Properties["data"].Value)
	}
	return out
}

func docsFields(s *openapi3.Schema) []docsField {
	required := map[string]bool{}
	for _, name := range s.Required {
		required[name] = true
	}
	var out []docsField
	for name, child := range s.Properties {
		out = append(out, docsFieldOf(name, child.Value, required[name]))
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Required != out[j].Required {
			return out[i].Required
		}
		return out[i].Name < out[j].Name
	})
	return out
}

func docsFieldOf(name string, s *openapi3.Schema, required bool) docsField {
	f := docsField{Name: name, Type: typeName(s), About: s.Description, Required: required, Values: enumText(s)}
	if s.Format != "" {
		f.Type += ", " + s.Format
	}
	if s.Items != nil {
		item := s.Items.Value
		f.Type += " of " + typeName(item)
		f.Values = enumText(item)
		if item.Type.Includes("object") {
			var names []string
			for _, child := range docsFields(item) {
				names = append(names, child.Name)
			}
			f.About = strings.TrimSpace(f.About + " {" + strings.Join(names, ", ") + "}")
		}
	}
	return f
}

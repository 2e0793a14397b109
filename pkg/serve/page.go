// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/carosio/carosbuild/pkg/report"
)

//go:embed page.html
var pageText string

//go:embed style.css
var style string

var (
	pages  = template.Must(template.New("").Parse(strings.ReplaceAll(pageText, "STYLE", style)))
	policy = policyFor(style)
)

// policyFor lets a page have its own style sheet and nothing else.
func policyFor(style string) string {
	return "default-src 'none'; img-src data:; style-src '" + hashOf(style) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// hashOf is the source expression of a style sheet (CSP level 3, section 2.3.1).
func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// page is one of the templates with what its data is at the time.
type page struct {
	name string
	data func() any
}

func (p *page) serve(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, p.name, p.data()); err != nil {
		http.Error(w, "This page cannot be made.", http.StatusInternalServerError)
		return
	}
	sendPage(w, b.Bytes())
}

func sendPage(w http.ResponseWriter, data []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

// reportPage is the report of a build. It is made when it is first asked for, since that
// reads all directories of a stage, and kept.
type reportPage struct {
	make func(ctx context.Context) ([]byte, error)

	mu   sync.Mutex
	data []byte
}

func (p *reportPage) serve(w http.ResponseWriter, r *http.Request) {
	data, err := p.made(r.Context())
	if err != nil {
		http.Error(w, "This page cannot be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", policyFor(report.Style))
	sendPage(w, data)
}

// made is the page, which one request makes while others wait.
func (p *reportPage) made(ctx context.Context) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.data == nil {
		data, err := p.make(ctx)
		if err != nil {
			return nil, err
		}
		p.data = data
	}
	return p.data, nil
}

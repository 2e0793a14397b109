// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

//go:embed page.html
var pageText string

//go:embed style.css
var style string

var (
	pages  = template.Must(template.New("").Parse(strings.ReplaceAll(pageText, "STYLE", style)))
	policy = "default-src 'none'; img-src data:; style-src '" + hashOf(style) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

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
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write(b.Bytes())
}

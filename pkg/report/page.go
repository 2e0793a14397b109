// SPDX-License-Identifier: MPL-2.0

package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/history"
)

//go:embed page.html
var pageText string

// Style is the style sheet of the page, as it stands in it.
//
//go:embed style.css
var Style string

var page = template.Must(template.New("").Parse(strings.ReplaceAll(pageText, "STYLE", Style)))

// Input is what a page is made of.
type Input struct {
	Build   *history.Report
	Space   *Space   // nil where it was not measured
	NoSpace string   // why it was not
	Changes *Changes // nil without a build before
	Logs    []Log
	Files   []File // that the page links to besides
	Zone    *time.Location
	Foot    string
}

// Log is what a stage has printed.
type Log struct {
	Stage string
	Text  []byte // the end of it
	Size  int64  // of all of it
	Href  string // address of all of it, "" for none
}

// File is one beside the page.
type File struct{ Name, Href, Text string }

// Write writes the page. It is HTML and, for programs that are strict, well-formed XML.
func Write(w io.Writer, in Input) error {
	if err := page.ExecuteTemplate(w, "page", newView(in)); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// href is a relative address. A name may look like anything, a scheme too.
func href(name string) string { return "./" + (&url.URL{Path: name}).EscapedPath() }

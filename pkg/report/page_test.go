// SPDX-License-Identifier: MPL-2.0

package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/release"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// hostile is what a name, a command or its output may have.
var hostile = []string{
	`</pre></style></title><script>alert(1)</script><img src=x onerror=alert(1)>`, `" onload="alert(1)`, `' onload='alert(1)`, "`${x}`{{.}}", "]]>&amp;&#0;<!--",
	"a\x1b[31mred\x1b[0m\x00\x01\u202eb\u2028c\xff\xfe\ufffe\uffff\r\n\t", "javascript:alert(1)", "../../x", "STYLE",
}

// everything is the input of a page that has all parts, with a text in place of each
// string that comes from elsewhere.
func everything(text string) Input {
	step := func(status history.Status, cached bool, from, seconds float64) history.StepReport {
		return history.StepReport{Kind: "RUN" + text, Text: "make " + text, Status: status, Cached: cached, Started: at(from), Seconds: seconds, Size: 1 << 20, Layers: []string{fmt.Sprint("l", from, text)}}
	}
	r := &history.Report{
		Program: "1" + text, BuildID: "id" + text, Status: history.Failed, Error: "no" + text, Start: at(0), End: at(100), Targets: []string{"a"},
		Declarations: []history.FileReport{{Name: "/d/caros.xml" + text}},
		Stages: []history.StageReport{
			{ID: "a" + text, Status: history.Done, Started: at(0), Seconds: 10, Log: "a.log", Steps: []history.StepReport{step(history.Done, true, 0, 0), step(history.Done, false, 1, 9)}},
			{ID: "b" + text, Status: history.Failed, Started: at(10), Seconds: 90, Log: "b.log", Steps: []history.StepReport{step(history.Failed, false, 10, 90), {Status: history.NotRun}}},
			{ID: "c" + text, Status: history.Status("odd" + text)},
		},
		Outputs:    []history.Output{{Path: "/o/x.vmdk" + text, Disk: "d" + text, Size: 5}},
		Failed:     &history.FailedStep{Stage: "b" + text, Step: 1, Kind: "RUN", Text: text, Error: text, Tail: []string{text, "last " + text}, Image: "id:b" + text},
		Activities: []history.Activity{{Text: "write " + text, Started: at(90), Seconds: 5}},
	}
	s := &Space{Stage: "a" + text, Total: Part{Bytes: 100 << 20, Files: 7}, Packages: []Part{{"p" + text, 60 << 20, 4}}, Foreign: Part{Bytes: 40 << 20, Files: 3}, top: newDir("/"), foreign: newDir("/")}
	for _, d := range []*dir{s.top, s.foreign} {
		d.add("/usr/lib/"+strings.ReplaceAll(text, "/", "|")+"/x", 30<<20)
		d.add("/usr/share/y"+strings.ReplaceAll(text, "/", "|"), 10<<20)
		d.sum()
	}
	before := *r
	before.Stages = r.Stages[1:2:2]
	before.Stages = append(before.Stages, history.StageReport{ID: "old" + text, Steps: []history.StepReport{step(history.Done, false, 99, 1)}})
	pkg := release.Package{Name: "p" + text, Version: "1" + text}
	return Input{
		Build: r, Space: s, Zone: time.UTC, Foot: "foot",
		Changes: &Changes{Since: "x" + text, Layers: CompareLayers(r, &before), Packages: &release.Changes{
			Added: []release.Package{pkg}, Removed: []release.Package{pkg}, Changed: []release.PackageChange{{Name: "p" + text, Old: "1" + text, New: "2" + text}},
		}},
		Logs:  []Log{{Stage: "a" + text, Text: []byte("line\n" + text), Size: 1 << 20, Href: href("logs/a" + text + ".txt")}, {Stage: "b" + text, Text: []byte(text), Size: int64(len(text))}},
		Files: []File{{"f" + text, href("f" + text), "for " + text}},
	}
}

func render(t *testing.T, in Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// structure is the elements of a page with the names of their attributes, and the values of
// those that an address or a style could be in.
func structure(t *testing.T, text string) []string {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = true
	var out []string
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			if _, comment := tok.(xml.Comment); comment {
				t.Error("a comment")
			}
			continue
		}
		s := e.Name.Local
		for _, a := range e.Attr {
			if s += " " + a.Name.Local; a.Name.Local == "class" {
				s += "=" + a.Value
			}
			if a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#") && !strings.HasPrefix(a.Value, "./") && a.Value != "data:," {
				t.Errorf("an address that leads elsewhere: %q", a.Value)
			}
		}
		out = append(out, s)
	}
}

// TestHostileText: whatever texts hold, the page has the same elements and attributes.
func TestHostileText(t *testing.T) {
	want := structure(t, render(t, everything("")))
	for _, text := range append(hostile, strings.Join(hostile, " ")) {
		page := render(t, everything(text))
		if diff := cmp.Diff(structure(t, page), want); diff != "" {
			t.Errorf("%q changes the page (-got +want):\n%s", text, diff)
		}
		for _, bad := range []string{"<script", "<img", "\x1b", "\x00", "\u202e", "\u2028", "\ufffe"} {
			if strings.Contains(strings.ToLower(page), bad) {
				t.Errorf("%q: the page has %q", text, bad)
			}
		}
	}
	if strings.Contains(strings.Join(want, "\n"), "script") {
		t.Error("the page has a script")
	}
	for _, element := range []string{"svg class=map narrow", "svg class=map wide", "rect class=cached", "rect class=failed", "rect class=activity", "tr class=added", "tr class=removed", "pre", "details"} {
		found := false
		for _, s := range want {
			found = found || strings.HasPrefix(s, element)
		}
		if !found {
			t.Errorf("the page of everything has no %s", element)
		}
	}
}

// TestPageIsSelfContained: nothing is loaded, and the style sheet stands as it is, for the
// policy of the server has its digest.
func TestPageIsSelfContained(t *testing.T) {
	page := render(t, everything("x"))
	m := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
	if m == nil || m[1] != Style {
		t.Error("the style sheet is not as it was")
	}
	for _, bad := range []string{"url(", "@import", "http://", "https://", " style=", "src="} {
		if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/1999/xhtml", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{"prefers-color-scheme: dark", `name="viewport"`, `lang="en"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if again := render(t, everything("x")); again != page {
		t.Error("the same input gives another page")
	}
}

// TestEmptyReports: a page can be made of what little a report has.
func TestEmptyReports(t *testing.T) {
	for name, in := range map[string]Input{
		"nothing":    {Build: &history.Report{}, Zone: time.UTC},
		"no space":   {Build: &history.Report{BuildID: "x"}, NoSpace: "gone <b>", Zone: time.UTC},
		"no changes": {Build: &history.Report{}, Changes: &Changes{Why: "not stored <b>", Layers: LayerChanges{Unknown: true}}, Zone: time.UTC},
		"no list":    {Build: &history.Report{}, Changes: &Changes{Packages: &release.Changes{Unlisted: true}}, Zone: time.UTC},
		"no files":   {Build: &history.Report{}, Space: &Space{top: newDir("/"), foreign: newDir("/")}, Zone: time.UTC},
	} {
		if page := render(t, in); len(structure(t, page)) < 20 || strings.Contains(page, "<b>&") || strings.Contains(page, "NaN") {
			t.Errorf("%s:\n%s", name, page)
		}
	}
}

// TestForeignReaders: what other programs think of the page.
func TestForeignReaders(t *testing.T) {
	xmllint := tooltest.Find(t, "xmllint")
	name := filepath.Join(t.TempDir(), PageName)
	if err := os.WriteFile(name, []byte(render(t, everything(strings.Join(hostile, " ")))), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), xmllint, "--noout", name).CombinedOutput(); err != nil {
		t.Errorf("as XML: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), xmllint, "--html", "--noout", name).CombinedOutput()
	if err != nil {
		t.Errorf("as HTML: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) { // it knows the elements of HTML 4
		if strings.Contains(line, "error :") && !regexp.MustCompile(`Tag (details|footer|line|main|nav|rect|section|summary|svg|text) invalid`).MatchString(line) {
			t.Error(line)
		}
	}
}

func TestLogText(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\n":                     "a\nb",
		"\x1b[1;31mred\x1b[0m\x1b[K": "red",
		"10 %\r20 %\r30 %\r\nx":      "30 %\nx",
		"\x1b[31":                    "\ufffd[31",
		"\x1b[\x1b[0mx":              "\ufffd[x",
		"a\x07\x1b]0;t\x07":          "a\ufffd\ufffd]0;t\ufffd",
	} {
		if got := logText(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

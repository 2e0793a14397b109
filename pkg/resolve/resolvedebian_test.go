// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// A mistake in a bootstrap is shown under the value that causes it, once, with a
// suggestion.
func TestBootstrapMistakes(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	keyring := filepath.Join(t.TempDir(), "k.gpg")
	if err := os.WriteFile(keyring, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		attrs, mark, hint string
		text              string
	}{
		"misspelt suite": {
			fmt.Sprintf(`suite="bookwrom" mirror="%s" keyring="%s"`, server.URL, keyring),
			"bookwrom", `did you mean "bookworm"?`, "the mirror " + server.URL + ` has no suite "bookwrom"`,
		},
		"misspelt suite of a part": {
			fmt.Sprintf(`suite="bookwrom-backports" mirror="%s" keyring="%s"`, server.URL, keyring),
			"bookwrom-backports", `did you mean "bookworm-backports"?`, "the mirror " + server.URL + ` has no suite "bookwrom-backports"`,
		},
		"wrong place of a mirror": {
			fmt.Sprintf(`suite="bookworm" mirror="%s/debain" security-mirror="none" keyring="%s"`, server.URL, keyring),
			server.URL + "/debain", "the address is that of the directory which has dists/bookworm", "the mirror " + server.URL + "/debain has no suite bookworm",
		},
		"missing keyring": {`suite="sid" keyring="/none/k.gpg"`, "/none/k.gpg", "", `keyring "/none/k.gpg": no such file or directory`},
		"keyring beside the declaration": {
			`suite="sid" keyring="k.gpg"`, "k.gpg", "", `keyring "k.gpg" does not exist (looked in DIR/s, DIR)`,
		},
		"no keyring of Ubuntu": {
			`suite="noble"`, "noble", `install the package ubuntu-keyring, or write keyring="FILE"`,
			"noble: this host has no keyring of Ubuntu: there is no /usr/share/keyrings/ubuntu-archive-keyring.gpg",
		},
		"snapshot without its place": {
			`suite="sid" snapshot="20250101T000000Z" mirror="http://m.example"`, "http://m.example", "",
			`mirror "http://m.example" of a bootstrap with a snapshot has no {snapshot}, which stands for its time`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := `<redo><buildstage id="s"><bootstrap ` + c.attrs + `/></buildstage></redo>`
			d, findings := decl.Parse(decl.Source{Name: "a.xml", Dirs: []string{dir}, Data: []byte(text)})
			if findings.HasErrors() {
				t.Fatal(findings)
			}
			r := newHost(t, "http://127.0.0.1:1/a")
			_, err := r.Resolve(t.Context(), d, []string{"s"})
			var de *finding.ListError
			if !errors.As(err, &de) || len(de.Findings) != 1 {
				t.Fatalf("got %v", err)
			}
			f := de.Findings[0]
			if want := strings.ReplaceAll(c.text, "DIR", dir); f.Summary != want || f.Hint != c.hint {
				t.Errorf("got %s (%s), want %s (%s)", f.Summary, f.Hint, want, c.hint)
			}
			if col := strings.Index(text, c.mark) + 1; f.Span.Line != 1 || f.Span.Col != col || f.Span.Len != len(c.mark) {
				t.Errorf("marked at %+v, want column %d", f.Span, col)
			}
		})
	}
}

// Several mistakes are several findings, each under its word.
func TestBootstrapMistakesOfWords(t *testing.T) {
	text := `<redo><buildstage id="s"><bootstrap suite="sid" packages="vim dbuss nano"/></buildstage></redo>`
	d := decltest.Parse(t, text)
	err := (&Resolver{}).mistakes(d.Stages[0], debian.Mistakes{
		{Attr: "packages", Value: "dbuss", Text: "a", Known: []string{"bash", "dbus", "vim"}},
		{Attr: "mirror", Value: "x", Text: "b", Hint: "c"},
	})
	var de *finding.ListError
	if !errors.As(err, &de) || len(de.Findings) != 2 {
		t.Fatalf("got %v", err)
	}
	if f := de.Findings[0]; f.Hint != `did you mean "dbus"?` || f.Span.Len != len("dbuss") {
		t.Errorf("got %+v", f)
	}
	if f := de.Findings[1]; f.Hint != "c" || f.Span != d.Stages[0].Bootstrap.Span { // it has no such attribute
		t.Errorf("got %+v", f)
	}
}

// If the directory for downloads cannot be made, the message does not blame the
// mirror.
func TestBootstrapWithoutACache(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"a"`)
		fmt.Fprint(w, "x")
	}))
	t.Cleanup(server.Close)
	d := decltest.Parse(t, `<redo><buildstage id="s"><bootstrap suite="sid" mirror="`+server.URL+`"/></buildstage></redo>`)
	r := newHost(t, "")
	keyring := filepath.Join(t.TempDir(), "k.gpg")
	if err := os.WriteFile(keyring, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Host.Keyrings = []string{keyring}
	r.Fetcher.Cache = filepath.Join(keyring, "debian") // below a file
	_, err := r.Resolve(t.Context(), d, []string{"s"})
	var host *remedy.Error
	if !errors.As(err, &host) || !strings.Contains(err.Error(), "XDG_CACHE_HOME") || strings.Contains(err.Error(), "states") {
		t.Errorf("got %v", err)
	}
}

// TestBootstrapWords passes the words and values that the declaration allows to the
// package that uses them.
func TestBootstrapWords(t *testing.T) {
	schema := string(decl.Schema())
	_, variants, _ := strings.Cut(schema, `<attribute name="variant">`)
	variants, _, _ = strings.Cut(variants, "</attribute>")
	var got []string
	for _, m := range regexp.MustCompile(`<value>(\w+)</value>`).FindAllStringSubmatch(variants, -1) {
		got = append(got, m[1])
	}
	if diff := cmp.Diff(got, debian.Variants()); diff != "" {
		t.Errorf("variants (-decl +debian):\n%s", diff)
	}
	for attr, values := range map[string][]string{
		"suite":           {"bookworm", "noble", "2024.1", "trixie-backports", "9x", "Bookworm", "a/b", "..", "a b", "x+y", "-x", "ä"},
		"arch":            {"amd64", "hurd-i386", "x86_64", ""},
		"components":      {"main", "non-free-firmware", "updates/main", "1.29", "main contrib", "../x", "a//b", "a/", "main,contrib", "Main"},
		"packages":        {"vim", "libc6:i386", "vim=2:9.0~x+1-2", "libc6:i386=2.36", "g++", "a", "vim=", "vim=x", "vim:", "Vim", "vim/sid", "vim;id", "vim=1_2", "linux-image-amd64 udev"},
		"mirror":          {"http://m.example/debian", "https://m.example:8443/a/{snapshot}/", "file:///srv/mirror", "file://srv", "file:/srv", "ftp://x", "none", "http://u:p@m.example", "http://m.example/a b", "http://m.example/%zz", "http://[::1]/", "http://", "http://ä.example/", `http://m.example/"`},
		"security-mirror": {"none", "http://m.example/s", "no", "file:///"},
		"snapshot":        {"20250101T000000Z", "2025-01-01", "20251301T000000Z", "20250101T000000Z/.."},
	} {
		for _, v := range values {
			attrs := attr + `="` + strings.ReplaceAll(v, `"`, "&quot;") + `"`
			if attr != "suite" {
				attrs += ` suite="sid"`
			}
			d, findings := decl.Parse(decl.Source{Name: "a.xml", Data: []byte(`<redo><buildstage id="s"><bootstrap ` + attrs + `/></buildstage></redo>`)})
			if findings.HasErrors() {
				continue
			}
			if _, err := (&Resolver{Arch: "amd64"}).wanted(d.Stages[0]); err != nil {
				t.Errorf("%s: taken, and then refused: %v", attrs, err)
			}
		}
	}
}

// TestRefusedValues are values that the declaration must refuse.
func TestRefusedValues(t *testing.T) {
	for _, attrs := range []string{
		`suite="a/b"`, `suite="sid" components="../x"`, `suite="sid" packages="vim;id"`, `suite="sid" packages="vim="`,
		`suite="sid" mirror="http://u:p@m.example"`, `suite="sid" mirror="none"`, `suite="sid" mirror="http://m.example/&quot;"`,
		`suite="sid" security-mirror="no"`, `suite="sid" variant="tiny"`, `suite="sid" snapshot="20251301T000000Z"`,
	} {
		_, findings := decl.Parse(decl.Source{Name: "a.xml", Data: []byte(`<redo><buildstage id="s"><bootstrap ` + attrs + `/></buildstage></redo>`)})
		if !findings.HasErrors() {
			t.Errorf("%s: taken", attrs)
		}
	}
}

// A keyring counts by its content: on another machine it may have another name. If
// the packages are pinned it may be missing, since it was read when they were
// resolved.
func TestKeyringDigest(t *testing.T) {
	dir := t.TempDir()
	keyring := filepath.Join(dir, "k.gpg")
	if err := os.WriteFile(keyring, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := files.Digest(t.Context(), keyring)
	if err != nil {
		t.Fatal(err)
	}
	r := &Resolver{Pins: Pins{Dir: t.TempDir()}, Arch: "amd64", Host: debian.Host{Mirror: "http://m/debian", HTTPProxy: "http://u:secret@p/"}}
	d := decltest.Parse(t, `<buildstage id="s"><bootstrap suite="sid" keyring="`+keyring+`"/></buildstage>`)
	wanted, err := r.wanted(d.Stages[0])
	if err == nil {
		err = r.Pins.write(r.bootstrapPin(wanted), pin{Debian: &debian.Resolution{Suite: "sid"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{want, ""} {
		out, err := r.Resolve(t.Context(), d, []string{"s"})
		if err != nil || out.Keyrings["s"] != want || out.Host.Mirror != "http://m/debian" || out.Host.HTTPProxy != "" {
			t.Errorf("%v: keyring %q, want %q; host %+v", err, out.Keyrings["s"], want, out.Host)
		}
		if err := os.RemoveAll(keyring); err != nil {
			t.Fatal(err)
		}
	}
}

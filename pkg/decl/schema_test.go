// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

const schemaFile = "../../docs/declaration.rng"

// TestSchema compares the schema in docs with the grammar; -update writes it.
func TestSchema(t *testing.T) {
	if *update {
		if err := os.WriteFile(schemaFile, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(data), string(Schema())); diff != "" {
		t.Errorf("docs/declaration.rng (-file +grammar):\n%s", diff)
	}
}

func xmllint(t *testing.T, file string) (string, error) {
	t.Helper()
	p := tooltest.Find(t, "xmllint")
	out, err := exec.CommandContext(t.Context(), p, "--noout", "--relaxng", schemaFile, file).CombinedOutput()
	return string(out), err
}

// TestSchemaAccepts runs xmllint with the schema on files that Parse accepts: the
// shipped targets, the manual's examples, and redomat's declarations where they are
// available.
func TestSchemaAccepts(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../../targets/*.xml", "../../../shared/declarations/*/*.xml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, names...)
	}
	manual, err := os.ReadFile("../../docs/declaration.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, m := range regexp.MustCompile("(?s)```xml\n(.*?)```").FindAllSubmatch(manual, -1) {
		name := filepath.Join(dir, string(rune('a'+i))+".xml")
		if err := os.WriteFile(name, m[1], 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	all := filepath.Join(dir, "everything.xml")
	if err := os.WriteFile(all, []byte(everything), 0o600); err != nil {
		t.Fatal(err)
	}
	if len(files) < 12 {
		t.Fatalf("only %d files found", len(files))
	}
	for _, f := range append(files, all) {
		if out, err := xmllint(t, f); err != nil {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
	}
}

// TestSchemaRefuses runs xmllint on files that Parse does not accept.
func TestSchemaRefuses(t *testing.T) {
	for _, text := range []string{
		`<redo><buildstag id="a"/></redo>`,
		`<redo><buildstage><cache/></buildstage></redo>`,
		`<redo><buildstage id="a" x="y"/></redo>`,
		`<redo><buildstage id="a"><prestage>b</prestage><prestage>c</prestage></buildstage></redo>`,
		`<redo>text</redo>`,
		`<disk id="d" table="mb"><partition size="1M"/></disk>`,
		`<disk id="d"><partition size="1M" attributes="grow hidden"/></disk>`,
		`<disk id="d"><partition size="1M"/><vm><eula>a</eula><eula>b</eula></vm></disk>`,
		`<layer name="a" remote="b" revision="c" repo="d"/>`,
	} {
		f := filepath.Join(t.TempDir(), "x.xml")
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := xmllint(t, f); err == nil || !strings.Contains(out, "fails to validate") {
			t.Errorf("%s: %v\n%s", text, err, out)
		}
	}
}

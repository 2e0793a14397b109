// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl/xmltext"
)

var (
	manualRow  = regexp.MustCompile("(?m)^\\| (`[^|]*) \\| (?:required|) ?\\| (.*?) \\|$")
	manualName = regexp.MustCompile("`([a-z-]+)`")
	manualLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// plainText is a text of the manual without markup.
func plainText(s string) string {
	s = manualLink.ReplaceAllString(s, "$1")
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "`", "")), " ")
}

// manualReference is reference.txt as the manual has it: the first paragraph of
// each element and the row of each attribute. What is about the root element has
// sections of other names.
func manualReference(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for part := range strings.SplitSeq("\n"+string(data), "\n##") {
		title, body, _ := strings.Cut(strings.TrimLeft(part, "#"), "\n")
		title = strings.TrimSpace(title)
		if of := map[string]string{"Files": rootName, "A base": rootName + " base"}[title]; of != "" {
			first, _, _ := strings.Cut(strings.TrimSpace(body), "\n\n")
			texts[of] = plainText(first)
		}
		if _, ok := grammar[title]; !ok {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimSpace(body), "\n\n")
		if texts[title] == "" && !strings.HasPrefix(first, "|") && !strings.HasPrefix(first, "```") {
			texts[title] = plainText(first)
		}
		for _, m := range manualRow.FindAllStringSubmatch(body, -1) {
			for _, n := range manualName.FindAllStringSubmatch(m[1], -1) {
				texts[title+" "+n[1]] = plainText(m[2])
			}
		}
	}
	var out strings.Builder
	for _, element := range sorted(grammar) {
		names := []string{element}
		for _, a := range grammar[element].attrs {
			names = append(names, element+" "+a.name)
		}
		for _, n := range names {
			if texts[n] == "" {
				t.Errorf("the manual says nothing about %s", n)
			}
			out.WriteString(n + "\t" + texts[n] + "\n")
		}
	}
	return out.String()
}

// TestReference wants the manual's description of each element and attribute in the
// schema, where editors find it; -update copies it there.
func TestReference(t *testing.T) {
	want := manualReference(t)
	if *update {
		if err := os.WriteFile("reference.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		manualTexts = want // for TestSchema
	}
	if diff := cmp.Diff(manualTexts, want); diff != "" {
		t.Errorf("reference.txt (-file +manual); go test ./pkg/decl -update makes it anew:\n%s", diff)
	}
	schema := string(Schema())
	things := 0
	for _, r := range grammar {
		things += 1 + len(r.attrs)
	}
	if n := strings.Count(schema, "<a:documentation>"); n != things {
		t.Errorf("%d of %d elements and attributes are documented in the schema", n, things)
	}
}

// What editors write into a file is not a mistake.
func TestEditorsMarks(t *testing.T) {
	text := `<?xml version="1.0"?>
<?xml-model href="declaration.rng" type="application/xml" schematypens="http://relaxng.org/ns/structure/1.0"?>
<redo xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="declaration.xsd">
	<buildstage id="a"><action>FROM scratch</action></buildstage>
</redo>`
	if _, fs := Parse(Source{Name: "a.xml", Data: []byte(text)}); len(fs) > 0 {
		t.Errorf("findings: %v", fs)
	}
	f := t.TempDir() + "/a.xml"
	if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := xmllint(t, f); err != nil {
		t.Errorf("xmllint: %v\n%s", err, out)
	}
	for _, bad := range []string{
		`<redo xmlns:xsi="http://example.org/"/>`, `<redo xsi:type="x"/>`, `<?php x?><redo/>`, `<redo xmlns="http://example.org/"/>`,
	} {
		if _, fs := Parse(Source{Name: "a.xml", Data: []byte(bad)}); !fs.HasErrors() {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestEveryAttributeHasAnExample wants each attribute in one of the manual's
// declarations, which TestManual reads.
func TestEveryAttributeHasAnExample(t *testing.T) {
	data, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var walk func(n *xmltext.Node)
	walk = func(n *xmltext.Node) {
		seen[n.Name] = true
		for i := range n.Attrs {
			if strings.TrimSpace(n.Attrs[i].Value.S) != "" {
				seen[n.Name+" "+n.Attrs[i].Name] = true
			}
		}
		for _, k := range n.Kids {
			walk(k)
		}
	}
	for _, block := range fence.FindAllStringSubmatch(string(data), -1) {
		if block[1] != "xml" && block[1] != "xml on sunxi.xml" {
			continue
		}
		src := Source{Name: "a.xml", Data: []byte(block[2])}
		if root, _ := xmltext.Read(0, src.Name, src.Data, &xmltext.Report{}); root != nil {
			walk(root)
		}
	}
	for _, element := range sorted(grammar) {
		if !seen[element] {
			t.Errorf("no example of <%s>", element)
		}
		for _, a := range grammar[element].attrs {
			if !seen[element+" "+a.name] {
				t.Errorf("no example of the attribute %s of <%s>", a.name, element)
			}
		}
	}
}

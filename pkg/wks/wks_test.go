// SPDX-License-Identifier: MPL-2.0

package wks

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

var update = flag.Bool("update", false, "write the golden files")

// TestExamples reads the files of testdata, and compares the disks and the
// findings with what the archives have.
func TestExamples(t *testing.T) {
	for name, ar := range decltest.Archives(t, "testdata/*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			got := readArchive(t, ar)
			if *update {
				for i, f := range ar.Files {
					if text, ok := got[f.Name]; ok {
						ar.Files[i].Data = []byte(text)
					}
				}
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := map[string]string{}
			for _, f := range ar.Files {
				if strings.HasPrefix(f.Name, "want.") {
					want[f.Name] = string(f.Data)
				}
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

func readArchive(t *testing.T, ar *txtar.Archive) map[string]string {
	t.Helper()
	o := Options{ID: "test", Vars: map[string]string{}}
	for line := range strings.Lines(string(ar.Comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name, v, _ := strings.Cut(value, "="); key {
		case "set":
			o.Vars[name] = v
		case "bios":
			o.BIOS, o.BIOSStage = "  <buildstage id=\""+value+"\">\n    <bootstrap suite=\"bookworm\"/>\n  </buildstage>", value
		case "arch":
			o.Arch = value
		}
	}
	o.Include = func(name, from string) (decl.Source, error) {
		for _, f := range ar.Files {
			if f.Name == name {
				return decl.Source{Name: name, Data: f.Data}, nil
			}
		}
		return decl.Source{}, fs.ErrNotExist
	}
	xml, sources, findings := Read(decl.Source{Name: ar.Files[0].Name, Data: ar.Files[0].Data}, o)
	var out bytes.Buffer
	if err := findings.Render(&out, decl.Texts(sources), false); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"want.txt": out.String()}
	checkSpans(t, sources, findings)
	if xml != nil {
		got["want.xml"] = string(xml)
		checkDisk(t, xml)
	}
	return got
}

// deploy matches values that name files deployed by bitbake.
var deploy = regexp.MustCompile(`"deploy:[a-z-]+"`)

// checkDisk requires a disk that a declaration may have. Deployed files get paths
// for this purpose.
func checkDisk(t testing.TB, xml []byte) {
	t.Helper()
	src := decl.Source{Name: "made", Data: deploy.ReplaceAll(xml, []byte(`"/x"`))}
	d, fs := decl.Parse(src)
	if len(fs) > 0 {
		var out bytes.Buffer
		_ = fs.Render(&out, decl.Texts([]decl.Source{src}), false)
		t.Errorf("the disk has mistakes:\n%s", out.String())
	}
	if len(d.Disks) != 1 {
		t.Errorf("%d disks", len(d.Disks))
	}
}

// checkSpans checks that the place of each finding exists in its file.
func checkSpans(t testing.TB, sources []decl.Source, fs finding.Findings) {
	t.Helper()
	for _, f := range fs {
		for _, s := range sources {
			lines := strings.Split(string(s.Data), "\n")
			if s.Name != f.Span.File {
				continue
			}
			if f.Span.Line < 1 || f.Span.Line > len(lines) || f.Span.Col < 1 || f.Span.Col+f.Span.Len-1 > len([]rune(lines[f.Span.Line-1]))+1 {
				t.Errorf("%q is at %+v, which is not in the file", f.Summary, f.Span)
			}
		}
	}
}

// TestPublished reads poky's kickstart files from a git repository, and says what
// becomes of each.
func TestPublished(t *testing.T) {
	poky := os.Getenv("CAROSBUILD_POKY")
	if poky == "" {
		t.Skip("NOT TESTED: the kickstart files of poky. CAROSBUILD_POKY names no git repository of it")
	}
	revision := os.Getenv("CAROSBUILD_POKY_REVISION")
	if revision == "" {
		revision = "scarthgap"
	}
	git := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", poky, "-c", "safe.directory=*"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	n := 0
	for name := range strings.Lines(git("ls-tree", "-r", "--name-only", revision)) {
		name = strings.TrimSpace(name)
		if !strings.HasSuffix(name, ".wks") && !strings.HasSuffix(name, ".wks.in") {
			continue
		}
		n++
		o := Options{ID: "test", Vars: map[string]string{
			"EFI_PROVIDER": "grub-efi", "INITRAMFS_IMAGE": "core-image-initramfs", "MACHINE": "qemu", "INITRAMFS_FSTYPES": "cpio.gz", "OVERLAYFS_ROOTFS_TYPE": "ext4",
			"OVERLAYFS_INIT_OPTION": "init=/sbin/init", "IMAGE_LINK_NAME_CORE_IMAGE_MINIMAL": "core-image-minimal-qemu", "IMAGE_ROOTFS": "/x",
		}}
		o.Include = func(inc, from string) (decl.Source, error) {
			file := path.Join(path.Dir(from), inc)
			return decl.Source{Name: file, Data: []byte(git("show", revision+":"+file))}, nil
		}
		xml, _, findings := Read(decl.Source{Name: name, Data: []byte(git("show", revision+":"+name))}, o)
		said, row := fmt.Sprintf("%d notes", len(findings)), "\n| `"+name+"` | read"
		if xml == nil {
			row = "\n| `" + name + "` | not read: "
		}
		for _, v := range asked(git("show", revision+":"+name)) {
			if _, line, _ := strings.Cut(page(t), row); xml != nil && revision == "scarthgap" && !strings.Contains(strings.SplitN(line, "\n", 2)[0], "`--set "+v+"=`") {
				t.Errorf("docs/kas.md does not say that %s needs --set %s", name, v)
			}
		}
		if revision == "scarthgap" && !strings.Contains(page(t), row) {
			t.Errorf("docs/kas.md has no line %q", row)
		}
		for _, f := range findings {
			if f.Severity == finding.Error {
				said = fmt.Sprintf("not read: %d: %s", f.Span.Line, f.Summary)
			}
		}
		if xml != nil {
			checkDisk(t, xml)
		}
		t.Logf("%s: %s", name, said)
	}
	if n < 20 {
		t.Errorf("only %d files", n)
	}
}

// asked are the variables of a kickstart file.
func asked(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		for _, v := range variable().FindAllString(line, -1) {
			if !strings.HasPrefix(line, "#") && !slices.Contains(all, v[2:len(v)-1]) {
				all = append(all, v[2:len(v)-1])
			}
		}
	}
	return all
}

// FuzzKickstart reads arbitrary bytes as a kickstart file.
func FuzzKickstart(f *testing.F) {
	for _, ar := range decltest.Archives(f, "testdata/*.txtar") {
		f.Add(string(ar.Files[0].Data), "grub-efi")
	}
	f.Fuzz(func(t *testing.T, data, value string) {
		src := decl.Source{Name: "x.wks", Data: []byte(data)}
		o := Options{ID: "x", Vars: map[string]string{"EFI_PROVIDER": value, "MISSING": "${SIZE}", "SIZE": "${MISSING}"}}
		o.Include = func(string, string) (decl.Source, error) {
			return decl.Source{Name: "y.wks", Data: []byte(data)}, nil
		}
		xml, sources, fs := Read(src, o)
		checkSpans(t, sources, fs)
		if xml != nil {
			decl.Parse(decl.Source{Name: "made", Data: xml})
		}
	})
}

// TestBounds: variables that contain themselves, and many findings.
func TestBounds(t *testing.T) {
	o := Options{ID: "x", Vars: map[string]string{"A": "${B}${B}", "B": "${A}${A}", "C": "${C}", "LONG": strings.Repeat("x", maxExpanded)}}
	for _, tt := range []struct{ data, want string }{
		{"part ${A}", "too many variables"},
		{"part ${C}", "too many variables"},
		{strings.Repeat("part ${LONG}${LONG}\n", 3), "too many variables"},
		{strings.Repeat("#\n", maxLines) + "part /", "too many variables or lines"},
		{strings.Repeat("x\n", 500), "too many mistakes"},
		{strings.Repeat("part / --size 1\n", 200), "more than 128 partitions"},
		{strings.Repeat("#\n", maxFileSize), "larger than"},
		{"part \xff", "not UTF-8"},
		{"part " + strings.Repeat("a ", 400_000), "a line of more than"},
	} {
		_, _, fs := Read(decl.Source{Name: "x.wks", Data: []byte(tt.data)}, o)
		if len(fs) > 200+1 || tt.want != "" && !slices.ContainsFunc(fs, func(f finding.Finding) bool { return strings.Contains(f.Summary, tt.want) }) {
			t.Errorf("%.30q: %d findings, the last one of %v; want %q", tt.data, len(fs), fs, tt.want)
		}
	}
}

// TestPage compares the disk that docs/kas.md shows with the one made from its
// kickstart file.
func TestPage(t *testing.T) {
	block := func(kind string) string {
		_, rest, _ := strings.Cut(page(t), "```"+kind+"\n")
		text, _, _ := strings.Cut(rest, "```\n")
		return text
	}
	xml, _, fs := Read(decl.Source{Name: "image.wks", Data: []byte(block("wks"))}, Options{ID: "image"})
	_, got, _ := strings.Cut(string(xml), "\n") // after the comment
	if diff := cmp.Diff(got, block("xml")); diff != "" {
		t.Errorf("the disk (-got +page), with %v:\n%s", fs, diff)
	}
}

// page is the section of docs/kas.md about kickstart files.
func page(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/kas.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(data), "\n## Kickstart files")
	return part
}

// TestControls has characters that could steer the terminal on which the disk is
// shown.
func TestControls(t *testing.T) {
	for _, c := range []string{"\x1b]0;x\x07", "\u009b", "\u202e"} {
		src := decl.Source{Name: "a.wks", Data: []byte("part / --source rootfs --fstype ext4 --label \"a" + c + "\" --size 10\n")}
		if xml, _, fs := Read(src, Options{ID: "a"}); !fs.HasErrors() || !strings.Contains(fs[0].Summary, "control character") {
			t.Errorf("%q: %+v\n%s", c, fs, xml)
		}
	}
}

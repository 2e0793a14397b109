// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
)

// result is what a command printed, and its exit status.
type result struct {
	out, err string
	status   int
}

// runHere runs a command in the current directory, with an environment of its own.
func runHere(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	home := t.TempDir()
	var out, stderr bytes.Buffer
	a := &cli.App{Stdout: &out, Stderr: &stderr, Getenv: func(k string) string {
		switch k {
		case "HOME":
			return home
		case "PATH":
			return os.Getenv("PATH")
		}
		return env[k]
	}}
	cmd := commandFor(a, args)
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&stderr)
	status := end(t.Context(), a, cmd.ExecuteContext(t.Context()))
	return result{out.String(), stderr.String(), status}
}

// writeFiles makes files with parents.
func writeFiles(t *testing.T, files map[string]string) {
	t.Helper()
	for name, data := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func gitHere(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.org"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

const pokyRepo = "  poky: {url: \"https://git.example.org/poky.git\", commit: \"0123456789012345678901234567890123456789\", layers: {meta: }}\n"

// TestKasLayerOfItsOwn: what builds leave beside a project that is a layer does
// not change what is made of it.
func TestKasLayerOfItsOwn(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{"project.yml": "header: {version: 14}\nrepos:\n  ours:\n" + pokyRepo, "conf/layer.conf": "", "recipes/a.bb": "", ".gitignore": "ignored\n"})
	gitHere(t, "init", "--quiet")
	gitHere(t, "add", ".")
	before := runHere(t, nil, "import", "project.yml")
	if before.status != 0 || before.err != "" {
		t.Fatalf("%+v", before)
	}
	writeFiles(t, map[string]string{"project.yml.lock": "", "image.vmdk": "", "ignored": "", "empty.xml": "", "project.xml": before.out, "recipes/a.bb": "changed"})
	if after := runHere(t, nil, "import", "project.yml"); after != before {
		t.Errorf("after a build: %+v, before: %+v", after, before)
	}
	writeFiles(t, map[string]string{"new.bb": "", "site.xml": "<redo/>", "recipes/deep/b.bb": ""})
	after := runHere(t, nil, "import", "project.yml")
	if want := `left out: "new.bb", "recipes/deep/" and "site.xml"`; !strings.Contains(after.err, want) || strings.Contains(after.out, "new.bb") || !strings.Contains(after.out, "ADD recipes/a.bb") {
		t.Errorf("with untracked files: %+v; want %s", after, want)
	}
	gitHere(t, "add", ".")
	if after := runHere(t, nil, "import", "project.yml"); after.err != "" || !strings.Contains(after.out, "ADD new.bb") {
		t.Errorf("when they are tracked: %+v", after)
	}
}

// TestKasWords: mistakes on the command line are told with what to write.
func TestKasWords(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{
		"kas.yml": "header: {version: 14}\nrepos:\n" + pokyRepo, "more.yml": "header: {version: 14}\n", "x.xml": "<redo/>", "x.wks": "part / --source rootfs --fstype=ext4\n", "kas": "header:\n  version: 14\n",
	})
	for _, tt := range []struct{ args, want string }{
		{"kas kas.yml more.yml", "2 projects of kas: to merge them, write kas.yml:more.yml\n"},
		{"plan kas.yml more.yml", "2 projects of kas: to merge them, write kas.yml:more.yml\n"},
		{"plan x.wks", "x.wks is a kickstart file of wic: carosbuild import x.wks > disk.xml\n"},
		{"kas kas.yml x.wks", "x.wks is a kickstart file of wic: "},
		{"kas x.wks", "x.wks is a kickstart file of wic: "},
		{"plan ./kas", "./kas looks like a project of kas, whose name ends in .yml, .yaml or .json\n"},
		{"kas build kas.yml", "carosbuild kas builds: leave out \"build\"\n"},
		{"kas lock kas.yml", "\"lock\" is not a project: carosbuild lock kas.yml\n"},
		{"kas checkout kas.yml", "carosbuild checkout kas.yml\n"},
		{"kas shell kas.yml", "carosbuild shell BUILDID\n"},
		{"kas dump", "carosbuild import project.yml\n"},
		{"kas x.xml kas.yml", "x.xml is not a project of kas, whose name ends in .yml, .yaml or .json: name the project first\n"},
		{"kas x.xml", "x.xml is not a project of kas, whose name ends in .yml, .yaml or .json\n"},
		{"kas nosuch.yml", "there is no file nosuch.yml\n"},
		{"import nosuch.yml", "there is no file nosuch.yml\n"},
		{"import nosuch.wks", "there is no file nosuch.wks\n"},
		{"import x.wks --arch sparc", "architecture \"sparc\" has no EFI program: amd64, arm64, armel, armhf, i386, "},
		{"import x.wks --set FOO=bar", "the file has no ${FOO}\n"},
		{"import x.wks --from debian", "--from is an option for projects of kas, and has no effect on x.wks\n"},
		{"import x.wks --base poky", "--base is an option for projects of kas"},
		{"import x.wks --update", "--update is an option for projects of kas"},
		{"import kas.yml --set A=b", "--set is an option for kickstart files of wic, and has no effect on kas.yml\n"},
		{"import kas.yml --arch arm64", "--arch is an option for kickstart files of wic"},
		{"kas kas.yml --base nosuch", "is not one of the project's repositories, which are"},
		{"plan kas.yml --base nosuch", "is not one of the project's repositories, which are"},
		{"lock kas.yml --base nosuch", "is not one of the project's repositories, which are"},
		{"kas.yml --base nosuch", "is not one of the project's repositories, which are"},
		{"plan kas.yml -t core-image-other", "-t names a stage; for another bitbake target: KAS_TARGET=core-image-other\n"},
	} {
		if got := runHere(t, nil, strings.Fields(tt.args)...); got.status == 0 || !strings.Contains(got.err, tt.want) {
			t.Errorf("carosbuild %s: %+v, want %q", tt.args, got, tt.want)
		}
	}
}

// TestKasEnvironment: variables that decide what is built are told.
func TestKasEnvironment(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{"kas.yml": "header: {version: 14}\nrepos:\n" + pokyRepo})
	got := runHere(t, map[string]string{"KAS_MACHINE": "mine", "KAS_TARGET": "a b"}, "import", "kas.yml")
	if want := "carosbuild: note: the environment counts in place of what the project says: KAS_MACHINE=mine, KAS_TARGET=a b\n"; got.err != want {
		t.Errorf("got %q, want %q", got.err, want)
	}
}

// TestCompleteProjects: projects are offered where declarations are, and behind a
// colon.
func TestCompleteProjects(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{"kas.yml": "", "sub/more.yml": "", "kasx.txt": ""})
	for _, tt := range []struct{ args, want string }{
		{"plan|ka", "kas.yml\n"},
		{"lock|ka", "kas.yml\n"},
		{"why|ka", "kas.yml\n"},
		{"build|ka", "kas.yml\n"},
		{"kas|ka", "kas.yml\n"},
		{"kas|kas.yml:sub/m", "kas.yml:sub/more.yml\n"},
		{"kas|kas.yml:ka", "kas.yml:kas.yml\n"},
		{"kas|--base|ka", ""},
		{"import|--set|ka", ""},
	} {
		out := runHere(t, nil, append([]string{"__complete"}, strings.Split(tt.args, "|")...)...).out
		i := strings.LastIndexByte(out, ':') // the directive is the last line
		if got, directive := out[:i], out[i+1:]; got != tt.want || strings.HasPrefix(directive, "0") {
			t.Errorf("%s: %q, want %q", tt.args, out, tt.want)
		}
	}
}

// TestImportPC: a disk of a PC that is imported has all that a plan needs.
func TestImportPC(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{
		"kas.yml": "header: {version: 14}\nrepos:\n" + pokyRepo,
		"x.wks":   "part /boot --source bootimg-biosplusefi --sourceparams=\"loader=grub-efi\" --no-fstab-update\npart / --source rootfs --fstype=ext4 --extra-space 10M\n",
	})
	project, disk := runHere(t, nil, "import", "kas.yml"), runHere(t, nil, "import", "x.wks")
	if project.status != 0 || disk.status != 0 || !strings.Contains(disk.err, "stage yocto-boot-x86 has GRUB") {
		t.Fatalf("%+v\n%+v", project, disk)
	}
	d, findings := decl.Parse(decl.Source{Name: "project.xml", Data: []byte(project.out)}, decl.Source{Name: "disk.xml", Data: []byte(disk.out)})
	if len(findings) > 0 || len(d.Disks) != 1 {
		t.Fatalf("%d disks, %v in\n%s", len(d.Disks), findings, disk.out)
	}
	if _, _, err := plan.DiskStages(d, d.Disks[0]); err != nil {
		t.Error(err)
	}
}

// TestMissingCommit: a commit that does not exist is told where the project has it.
func TestMissingCommit(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{"poky/meta/x": "", "kas.yml": "header: {version: 14}\nrepos:\n  poky:\n    url: https://git.example.org/poky\n    commit: 0123456789012345678901234567890123456789\n    layers: {meta: }\n"})
	gitHere(t, "init", "--quiet", "poky")
	gitHere(t, "-C", "poky", "add", ".")
	gitHere(t, "-C", "poky", "commit", "--quiet", "-m", "x")
	got := runHere(t, nil, "checkout", "kas.yml", "--to", "out", "--remote", "https://git.example.org/poky=./poky")
	if !strings.Contains(got.err, "kas.yml:5:13: error: ") || got.status != cli.ExitDeclaration {
		t.Errorf("%+v", got)
	}
}

// TestHelpNamesProjects: the commands that take a project say so.
func TestHelpNamesProjects(t *testing.T) {
	for _, name := range []string{"plan", "why", "lock", "build", "kas", "import"} {
		if got := runHere(t, nil, name, "--help"); !strings.Contains(got.out, "PROJECT.yml") {
			t.Errorf("carosbuild %s --help:\n%s", name, got.out)
		}
	}
}

// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// hostFiles are the files that a program of the host needs, according to ldd.
func hostFiles(t *testing.T, program string) (libs []string, files map[string]string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tooltest.Find(t, "ldd"), program).CombinedOutput()
	if err != nil {
		t.Fatalf("ldd: %v\n%s", err, out)
	}
	paths := regexp.MustCompile(`/\S+`).FindAllString(string(out), -1)
	if len(paths) < 2 {
		t.Skipf("%s needs no libraries", program)
	}
	files = map[string]string{}
	for _, p := range append(slices.Clone(paths), program) {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(p, "/")] = string(data)
	}
	return paths, files
}

// TestPrograms takes ls from the host, compares its libraries with ldd's list, and
// runs the files of the initrd.
func TestPrograms(t *testing.T) {
	const program = "/bin/ls"
	libs, files := hostFiles(t, program)
	got, err := programs(newLookup(mk(files)), []string{program, program})
	if err != nil {
		t.Fatal(err)
	}
	var names, want []string
	dir, linker := t.TempDir(), ""
	for _, e := range got {
		names = append(names, e.name)
		to := filepath.Join(dir, e.name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, e.data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range libs {
		if strings.Contains(l, "/ld-") {
			linker = filepath.Join(dir, l)
			want = append(want, strings.TrimPrefix(l, "/"))
			continue
		}
		want = append(want, "lib/"+filepath.Base(l))
	}
	want = append(want, "bin/ls")
	slices.Sort(names)
	slices.Sort(want)
	if diff := cmp.Diff(names, want); diff != "" {
		t.Errorf("files (-got +want):\n%s", diff)
	}
	out, err := exec.CommandContext(t.Context(), linker, "--inhibit-cache", "--library-path", filepath.Join(dir, "lib"), filepath.Join(dir, "bin/ls"), dir+"/bin").CombinedOutput()
	if err != nil || string(out) != "ls\n" {
		t.Errorf("ls: %q, %v", out, err)
	}
}

func TestProgramErrors(t *testing.T) {
	_, files := hostFiles(t, "/bin/ls")
	files["bin/script"] = "#!/bin/sh\n"
	for want, missing := range map[string]string{
		" needs the library libc.so.6, which the stage does not have": "libc.so.6",
		"the stage has no /lib64/ld-linux-x86-64.so.2":                "ld-linux-x86-64.so.2",
	} {
		less := map[string]string{}
		for p, data := range files {
			if filepath.Base(p) != missing {
				less[p] = data
			}
		}
		if len(less) == len(files) {
			continue // of another architecture
		}
		if _, err := programs(newLookup(mk(less)), []string{"/bin/ls"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: got %v, want %q", missing, err, want)
		}
	}
	for name, want := range map[string]string{"/bin/script": "is not a program for Linux", "/bin/none": "the stage has no /bin/none", "/bin": "the stage has no /bin"} {
		if _, err := programs(newLookup(mk(files)), []string{name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

func FuzzProgram(f *testing.F) {
	f.Add([]byte(program(true)))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = programs(newLookup(mk(map[string]string{"bin/x": string(data), "lib/y": string(data)})), []string{"/bin/x"})
	})
}

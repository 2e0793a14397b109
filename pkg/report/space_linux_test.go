// SPDX-License-Identifier: MPL-2.0

package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/results"
)

func TestMeasure(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, size int) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list := func(name, text string) {
		put(name, 0)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("usr/bin/ls", 1000)
	put("usr/lib/libc.so", 500)
	put("srv/data", 300000)
	put("srv/small", 10)
	list("var/lib/dpkg/info/coreutils.list", "/.\n/bin\n/bin/ls\n") // the package is older than the link
	list("var/lib/dpkg/info/libc6:amd64.list", "/usr/lib/libc.so\n/usr/lib/gone\n")
	list("var/lib/dpkg/info/coreutils.md5sums", "/srv/data\n") // no list
	lists := int64(len("/.\n/bin\n/bin/ls\n") + len("/usr/lib/libc.so\n/usr/lib/gone\n") + len("/srv/data\n"))
	for from, to := range map[string]string{"bin": "usr/bin", "usr/lib/link": "libc.so", "srv/loop": "loop", "srv/out": "/../../../../etc/passwd"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "usr/bin/ls"), filepath.Join(dir, "usr/bin/dir")); err != nil {
		t.Fatal(err)
	}
	root, err := results.OpenRoot(dir, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s, err := Measure(t.Context(), root, "stage")
	if err != nil {
		t.Fatal(err)
	}
	if s.Total.Bytes != 301510+lists || s.Total.Files != 7 {
		t.Errorf("total %+v", s.Total)
	}
	// Of the two names of a file, the first counts.
	if want := []Part{{"libc6", 500, 1}}; !cmp.Equal(s.Packages, want) {
		t.Errorf("packages %+v, want %+v", s.Packages, want)
	}
	if want := []Part{{"/srv/data", 300000, 1}, {"/*", 1510 + lists, 6}}; !cmp.Equal(s.Dirs(0.1), want) {
		t.Errorf("directories %+v, want %+v", s.Dirs(0.1), want)
	}
	if _, err := measure(t.Context(), root, "stage", 6); err == nil || err.Error() != "measure stage stage: it has more than 6 files" {
		t.Errorf("with a limit: %v", err)
	}
	sum := int64(0)
	for _, p := range s.Dirs(0) {
		sum += p.Bytes
	}
	if sum != s.Total.Bytes {
		t.Errorf("all directories have %d bytes, want %d", sum, s.Total.Bytes)
	}
}

func TestFitted(t *testing.T) {
	for _, tt := range []struct {
		name string
		most int
		want string
	}{
		{"libc6", 5, "libc6"},
		{"libc6-dev", 6, "libc6…"},
		{"/usr/lib/x86_64/gconv", 21, "/usr/lib/x86_64/gconv"},
		{"/usr/lib/x86_64/gconv", 14, "…/x86_64/gconv"},
		{"/usr/lib/x86_64/gconv", 8, "…/gconv"},
		{"/usr/lib/x86_64/gconv", 4, "gco…"},
		{"/ü/ßßßßßß", 4, "ßßß…"},
		{"ßßßßßß", 3, "ßß…"},
		{"/" + strings.Repeat("ä", 30) + "/" + strings.Repeat("x", 20), 6, "xxxxx…"},
	} {
		if got := fitted(tt.name, tt.most); got != tt.want {
			t.Errorf("%s in %d: got %s, want %s", tt.name, tt.most, got, tt.want)
		}
	}
}

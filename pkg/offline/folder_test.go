// SPDX-License-Identifier: MPL-2.0

package offline

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// folder writes files and their list.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	l := list{Version: formatVersion}
	for name, content := range files {
		put(t, filepath.Join(dir, name), content)
		l.Files = append(l.Files, listed(name, content))
	}
	putList(t, dir, l)
	return dir
}

func listed(name, content string) file {
	return file{Path: name, Size: int64(len(content)), SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(content)))}
}

func put(t *testing.T, name, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name, []byte(content), 0o644))
}

func putList(t *testing.T, dir string, l list) {
	t.Helper()
	data, err := json.Marshal(l)
	must(t, err)
	put(t, filepath.Join(dir, listName), string(data))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpen: a folder is used as it was written, and no other.
func TestOpen(t *testing.T) {
	good := map[string]string{"debian/m/dists/x/InRelease": "signed", "git/a.bundle": "bundle"}
	f, err := Open(t.Context(), folder(t, good), true)
	must(t, err)
	if !filepath.IsAbs(f.Debian()) || filepath.Base(f.Debian()) != "debian" || filepath.Base(f.Git()) != "git" || filepath.Base(f.Images()) != "images" {
		t.Errorf("got %q, %q, %q", f.Debian(), f.Git(), f.Images())
	}
	bundle := filepath.FromSlash("git/a.bundle")
	for name, c := range map[string]struct {
		harm func(dir string) error
		want string
	}{
		"changed": {func(dir string) error { return os.WriteFile(filepath.Join(dir, bundle), []byte("Bundle"), 0o644) }, "git/a.bundle is damaged"},
		"longer":  {func(dir string) error { return os.WriteFile(filepath.Join(dir, bundle), []byte("bundles"), 0o644) }, "git/a.bundle has 7 bytes"},
		"removed": {func(dir string) error { return os.Remove(filepath.Join(dir, bundle)) }, "git/a.bundle is missing"},
		"added":   {func(dir string) error { return os.WriteFile(filepath.Join(dir, "git", "b"), nil, 0o644) }, "git/b is not in its vendor.json"},
		"no list": {func(dir string) error { return os.Remove(filepath.Join(dir, listName)) }, "it has no vendor.json"},
		"no JSON": {func(dir string) error { return os.WriteFile(filepath.Join(dir, listName), []byte("{"), 0o644) }, "vendor.json: "},
		"newer": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, listName), []byte(`{"version":2}`), 0o644)
		}, "has version 2"},
		"endless": {func(dir string) error { return os.Truncate(filepath.Join(dir, listName), maxList+1) }, "more than 64 MiB"},
		"nothing": {os.RemoveAll, "no such file"},
	} {
		dir := folder(t, good)
		must(t, c.harm(dir))
		_, err := Open(t.Context(), dir, true)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestOpenLinks: nothing in a folder leads out of it.
func TestOpenLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege")
	}
	secret := filepath.Join(t.TempDir(), "secret")
	put(t, secret, "secret")
	put(t, filepath.Join(filepath.Dir(secret), "dir", "a.bundle"), "secret")
	for name, c := range map[string]struct{ link, to string }{
		"file":        {"git/a.bundle", secret},
		"file inside": {"git/a.bundle", "../other"},
		"directory":   {"git", filepath.Join(filepath.Dir(secret), "dir")},
		"list":        {listName, secret},
	} {
		dir := folder(t, map[string]string{"other": "secret"})
		l := list{Version: formatVersion, Files: []file{listed("other", "secret"), listed("git/a.bundle", "secret")}}
		putList(t, dir, l)
		link := filepath.Join(dir, c.link)
		must(t, os.MkdirAll(filepath.Dir(link), 0o755))
		must(t, os.RemoveAll(link))
		must(t, os.Symlink(c.to, link))
		for _, read := range []bool{true, false} {
			if _, err := Open(t.Context(), dir, read); err == nil || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestParseList refuses names that lead elsewhere.
func TestParseList(t *testing.T) {
	for _, name := range []string{"", ".", "..", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", `a\b`, "a\x00b", listName} {
		data, err := json.Marshal(list{Version: formatVersion, Files: []file{listed(name, "")}})
		must(t, err)
		if _, err := parseList(data); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	twice := list{Version: formatVersion, Files: []file{listed("a", ""), listed("a", "")}}
	data, err := json.Marshal(twice)
	must(t, err)
	if _, err := parseList(data); err == nil {
		t.Error("a name is listed twice")
	}
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte(`{"version":1,"files":[{"path":"a/b","size":1,"sha256":"` + strings.Repeat("0", 64) + `"}]}`))
	f.Add([]byte(`{"version":1,"files":[{"path":"../b","size":-1,"sha256":""}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseList(data)
		if err != nil {
			return
		}
		for _, file := range l.Files {
			if !filepath.IsLocal(filepath.FromSlash(file.Path)) || file.Size < 0 {
				t.Errorf("%+v", file)
			}
		}
	})
}

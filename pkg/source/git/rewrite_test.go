// SPDX-License-Identifier: MPL-2.0

package git

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRewrites(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"poky", "meta-x.git", "both", "both.git", "sub/y.git"} {
		must(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	const base = "git://git.example.org/"
	r := func(pairs ...string) (list []Rewrite) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, Rewrite{pairs[i], pairs[i+1]})
		}
		return list
	}
	for _, tt := range []struct {
		name        string
		rewrites    Rewrites
		repo        string
		want, error string
	}{
		{"none", Rewrites{}, "poky", base + "poky", ""},
		{"other remote", Rewrites{File: r("other", "https://x/")}, "poky", base + "poky", ""},
		{"by name", Rewrites{File: r("yocto", "https://x/y/")}, "poky", "https://x/y/poky", ""},
		{"slash is added", Rewrites{File: r("yocto", "https://x/y")}, "poky", "https://x/y/poky", ""},
		{"scp", Rewrites{File: r("yocto", "git@x:")}, "poky", "git@x:poky", ""},
		{"flags win", Rewrites{Flags: r("git://", "https://flag/"), File: r("yocto", "https://file/")}, "poky", "https://flag/git.example.org/poky", ""},
		{"longest beginning", Rewrites{File: r("git://", "https://a/", base, "https://b/", "git://git", "https://c/")}, "poky", "https://b/poky", ""},
		{"beginning in a name", Rewrites{File: r("git://git.example.org/p", "https://b/q")}, "poky", "https://b/qoky", ""},
		{"beginning with a slash, address without", Rewrites{File: r(base, "https://b")}, "poky", "https://b/poky", ""},
		{"directory", Rewrites{File: r("yocto", dir)}, "poky", dir + "/poky", ""},
		{"directory, .git is added", Rewrites{File: r("yocto", dir+"/")}, "meta-x", dir + "/meta-x.git", ""},
		{"directory, .git is dropped", Rewrites{File: r("yocto", dir)}, "poky.git", dir + "/poky", ""},
		{"directory, exactly", Rewrites{File: r("yocto", dir)}, "both", dir + "/both", ""},
		{"directory, exactly .git", Rewrites{File: r("yocto", dir)}, "both.git", dir + "/both.git", ""},
		{"directory by beginning", Rewrites{File: r("git://git.example.org", dir)}, "sub/y", dir + "/sub/y.git", ""},
		{"file URL", Rewrites{File: r("yocto", "file://"+dir)}, "poky", dir + "/poky", ""},
		{"not there", Rewrites{File: r("yocto", dir)}, "none", "", "neither " + dir + "/none nor " + dir + "/none.git"},
		{"climbs", Rewrites{File: r("yocto", dir)}, "../x", "", "not below"},
	} {
		got, err := tt.rewrites.Apply("yocto", base, tt.repo)
		if got != tt.want || (err == nil) != (tt.error == "") || err != nil && !strings.Contains(err.Error(), tt.error) {
			t.Errorf("%s: got %q, %v, want %q, %q", tt.name, got, err, tt.want, tt.error)
		}
	}
}

func TestParseRewrites(t *testing.T) {
	got, err := ParseRewritesFile("remotes", []byte("# mirrors\n\nyocto https://x/#1 # ours\r\n\tgit://a/\t/srv/git\n"))
	must(t, err)
	if diff := cmp.Diff([]Rewrite{{"yocto", "https://x/#1"}, {"git://a/", "/srv/git"}}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for text, want := range map[string]string{
		"a https://x\nb":       "remotes:2: want NAME URL, got 1 words",
		"a b c":                "remotes:1: want NAME URL, got 3 words",
		"\n\na relative/path":  "remotes:3: \"relative/path\" is not a URL",
		"a --upload-pack=x":    "remotes:1: address \"--upload-pack=x\" begins with a dash",
		"a https://u:p@x/\x01": "remotes:1: \"a https://x/\\x01\": control",
	} {
		if _, err := ParseRewritesFile("remotes", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if got, err := ParseRewrite("a=https://x/?b=c"); err != nil || got != (Rewrite{"a", "https://x/?b=c"}) {
		t.Errorf("flag: got %v, %v", got, err)
	}
	for _, bad := range []string{"", "a", "=x", "a=", "a=b"} {
		if _, err := ParseRewrite(bad); err == nil {
			t.Errorf("%q: want an error", bad)
		}
	}
}

func FuzzParseRewrites(f *testing.F) {
	f.Add("yocto https://x/ # y\na /b", "yocto", "git://git.example.org/", "poky")
	f.Fuzz(func(t *testing.T, text, remote, base, repo string) {
		list, err := ParseRewritesFile("f", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("error without a place: %v", err)
			}
			return
		}
		for _, r := range list {
			if strings.HasPrefix(r.URL, "-") || r.Name == "" || strings.ContainsAny(r.URL, "\n\x00") {
				t.Errorf("accepted %q", r)
			}
			if filepath.IsAbs(r.URL) { // these do not look at this machine's files
				return
			}
		}
		_, _ = Rewrites{File: list}.Apply(remote, base, repo)
	})
}

func FuzzCheckRevision(f *testing.F) {
	for _, s := range []string{"main", "refs/tags/16.04", "-x", "a..b", "a@{1}", "HEAD", "a:b", strings.Repeat("a", 40), "x.lock", "@", ".x", "a//b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if CheckRevision(s) != nil {
			return
		}
		if s == "" || s[0] == '-' || strings.Contains(s, "..") || strings.Contains(s, "@{") || strings.ContainsAny(s, ":~^?*[\\ \t\n\x00\x7f") {
			t.Errorf("accepted %q", s)
		}
	})
}

// TestCheckRevision compares the check with git's own.
func TestCheckRevision(t *testing.T) {
	o := newOrigin(t)
	for _, s := range []string{"main", "a/b", "16.04", "a.lock", "a.lock/b", ".a", "a/.b", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "a@{b", "@", "a@", "a/", "/a", "a//b", "a.", "ä", "a\x7fb", "a\nb"} {
		git := "refs/heads/" + s
		_, err := newHostGit(o, "check-ref-format", git)
		if got := validRef(git); got != (err == nil) {
			t.Errorf("%q: got %v, git says %v", s, got, err)
		}
	}
	for _, s := range []string{"-x", "--upload-pack=touch x", "a..b", "HEAD~1", "main@{1}", "a:b", "\x00", "a\xff"} {
		if CheckRevision(s) == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

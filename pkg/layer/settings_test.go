// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
)

// home makes files in a directory and returns an environment whose HOME it is.
func home(t *testing.T, files map[string]string) (string, func(string) string) {
	t.Helper()
	dir := t.TempDir()
	for n, content := range files {
		p := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"HOME": dir, "XDG_RUNTIME_DIR": filepath.Join(dir, "run")}
	return dir, func(k string) string { return env[k] }
}

func TestPodmanPaths(t *testing.T) {
	dir, env := home(t, nil)
	got, err := PodmanPaths(env, 1000)
	if err != nil {
		t.Fatal(err)
	}
	want := Paths{filepath.Join(dir, ".local/share/containers/storage"), filepath.Join(dir, "run/containers")}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	dir, env = home(t, map[string]string{".config/containers/storage.conf": "[storage]\ndriver = \"overlay\"\ngraphroot = \"$HOME/images-$UID\"\nrunroot='/run/x'\n"})
	if got, err = PodmanPaths(env, 1000); err != nil || got != (Paths{dir + "/images-1000", "/run/x"}) {
		t.Errorf("%v %v", got, err)
	}
	_, env = home(t, map[string]string{".config/containers/storage.conf": "nonsense"})
	if _, err = PodmanPaths(env, 1000); err == nil {
		t.Error("a damaged storage.conf is accepted")
	}
	if _, err := PodmanPaths(func(string) string { return "" }, 1000); err == nil {
		t.Error("paths without HOME")
	}
}

func TestCredentials(t *testing.T) {
	auth := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	_, env := home(t, map[string]string{
		"run/containers/auth.json": `{"auths": {"reg.example/team": {"auth": "` + auth("team:1") + `"}, "reg.example": {"auth": "` + auth("all:2") + `"}}}`,
		".docker/config.json":      `{"auths": {"https://index.docker.io/v1/": {"auth": "` + auth("hub:a:b") + `"}, "reg.example/team/x": {"auth": "` + auth("late:3") + `"}}}`,
	})
	k, err := Registry{Env: env}.keychain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for repo, want := range map[string]string{
		"reg.example/team/x": "team 1", "reg.example/teamwork/x": "all 2", "reg.example/other": "all 2",
		"debian": "hub a:b", "docker.io/a/b": "hub a:b", "other.example/team/x": " ", "reg.example.evil/team/x": " ",
	} {
		r, err := name.NewRepository(repo)
		if err != nil {
			t.Fatal(err)
		}
		a, err := k.Resolve(r)
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.Authorization()
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Username + " " + c.Password; got != want {
			t.Errorf("%s: %q, want %q", repo, got, want)
		}
	}
}

func TestRegistriesConf(t *testing.T) {
	_, env := home(t, map[string]string{
		".config/containers/registries.conf": `unqualified-search-registries = ["one.example", "two.example"]
[[registry]]
prefix = "old.example/a"
location = "new.example/b"
[[registry]]
location = "plain.example:5000"
insecure = true
[[registry]]
location = "bad.example"
blocked = true
`,
		".config/containers/registries.conf.d/x.conf": "[aliases]\n\"short-name-of-a-test\" = \"three.example/x/y\"\n",
	})
	c, err := Registry{Env: env}.settings()
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[string][]string{
		"foo:1":                  {"one.example/foo:1", "two.example/foo:1"},
		"short-name-of-a-test:2": {"three.example/x/y:2"},
		"old.example/a/c:1":      {"new.example/b/c:1"},
		"old.example/ab":         {"old.example/ab"},
		"x.example/y":            {"x.example/y"},
	} {
		if d := cmp.Diff(want, c.candidates(n)); d != "" {
			t.Errorf("%s: %s", n, d)
		}
	}
	if !c.insecure("plain.example:5000/x") || c.insecure("plain.example:50001/x") || c.insecure("plain.example/x") {
		t.Error("insecure registries")
	}
	if !c.blocked("bad.example/x") || c.blocked("bad.example.org/x") {
		t.Error("blocked registries")
	}
	if d := cmp.Diff([]string{"docker.io/foo"}, registriesConf{}.candidates("foo")); d != "" {
		t.Error(d)
	}
}

func TestReference(t *testing.T) {
	for in, want := range map[string]reference{
		"scratch":                        {kind: kindScratch},
		"oci:dir":                        {kind: kindLayout, path: "dir"},
		"oci:/a/b:tag":                   {kind: kindLayout, path: "/a/b", name: "tag"},
		"oci:d@sha256:0":                 {kind: kindLayout, path: "d", digest: "sha256:0"},
		"docker-archive:f.tar:a/b:1":     {kind: kindArchive, path: "f.tar", name: "a/b:1"},
		"containers-storage:localhost/x": {kind: kindStore, name: "localhost/x"},
		"containers-storage:@abc":        {kind: kindStore, name: "abc"},
		"localhost/carosbuild/x:base":    {kind: kindStore, name: "localhost/carosbuild/x:base"},
		"localhost:5000/x":               {name: "localhost:5000/x"},
		"docker://debian:bookworm":       {name: "debian:bookworm"},
		"reg.example/a/b@sha256:0123":    {name: "reg.example/a/b@sha256:0123"},
	} {
		got, err := parseReference(in)
		if err != nil || got != want {
			t.Errorf("%s: %+v %v", in, got, err)
		}
	}
	for _, in := range []string{"", "oci:", "a b", "-x", "docker://", "docker-archive::x"} {
		if r, err := parseReference(in); err == nil {
			t.Errorf("%q is %+v", in, r)
		}
	}
}

func FuzzReference(f *testing.F) {
	f.Add("oci:dir:tag@sha256:00")
	f.Add("localhost/x:1")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseReference(s)
		if err == nil && r.kind != kindScratch && r.path == "" && r.name == "" {
			t.Errorf("%q refers to nothing", s)
		}
		_ = localNames(s)
	})
}

// FuzzSplit: whatever splits a stream, inlining gives the same bytes back.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("header"), []byte("content"), []byte("trailer"))
	f.Fuzz(func(t *testing.T, head, content, tail []byte) {
		if len(content) == 0 {
			return
		}
		var record, inlined, out bytes.Buffer
		s := newSplitter(&record)
		s.Write(head)
		s.beginFile()
		s.Write(content)
		pos := s.pos
		s.endFile("f")
		s.Write(tail)
		if _, n, err := s.finish(); err != nil || n != int64(len(head)+len(content)+len(tail)) {
			t.Fatal(n, err)
		}
		err := inlineFiles(&inlined, &record, map[int]io.Reader{pos: bytes.NewReader(content)})
		if err != nil {
			t.Fatal(err)
		}
		if err := assemble(&inlined, t.TempDir(), &out); err != nil {
			t.Fatal(err)
		}
		if want := string(head) + string(content) + string(tail); out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}

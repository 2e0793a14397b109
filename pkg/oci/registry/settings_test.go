// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dockerref "go.podman.io/image/v5/docker/reference"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// podmanHome is a home directory for podman's own readers, which look into the
// environment of the process. The system has only the files below the directory.
func podmanHome(t *testing.T, files map[string]string) Client {
	t.Helper()
	dir, _ := ocitest.Home(t, files)
	for _, k := range []string{"CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"} {
		t.Setenv(k, "") // so that it is restored
		if err := os.Unsetenv(k); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	return Client{Env: os.Getenv, UID: os.Getuid(), root: dir}
}

func TestCredentials(t *testing.T) {
	auth := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	r := podmanHome(t, map[string]string{
		".config/containers/auth.json": `{"auths": {
			"reg.example/team": {"auth": "` + auth("team:1") + `"},
			"reg.example": {"auth": "` + auth("all:2") + `"}},
			"credHelpers": {"helped.example": "of-a-test"}}`,
		".docker/config.json": `{"credsStore": "of-a-test", "auths": {"stored.example": {},
			"https://index.docker.io/v1/": {"auth": "` + auth("hub:a:b") + `"}, "reg.example/team/x": {"auth": "` + auth("late:3") + `"}}}`,
		"bin/docker-credential-of-a-test": "#!/bin/sh\nread key; echo \"{\\\"ServerURL\\\": \\\"$key\\\", \\\"Username\\\": \\\"helper\\\", \\\"Secret\\\": \\\"$key\\\"}\"\n",
	})
	bin := filepath.Join(r.root, "bin")
	if err := os.Chmod(filepath.Join(bin, "docker-credential-of-a-test"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	conf, err := r.settings()
	if err != nil {
		t.Fatal(err)
	}
	for repo, want := range map[string]string{
		"reg.example/team/x": "team 1 auth.json:2", "reg.example/teamwork/x": "all 2 auth.json:3", "reg.example/other": "all 2 auth.json:3",
		"debian": "hub a:b config.json:2", "docker.io/a/b": "hub a:b config.json:2", "other.example/team/x": "  .", "reg.example.evil/team/x": "  .",
		"helped.example/x": "helper helped.example auth.json:4", "stored.example/x": "helper stored.example config.json",
	} {
		named, err := dockerref.ParseNormalizedNamed(repo)
		if err != nil {
			t.Fatal(err)
		}
		c, from, err := r.credentials(t.Context(), conf, named)
		if got := c.Username + " " + c.Password + " " + filepath.Base(from); err != nil || got != want {
			t.Errorf("%s: %q, want %q; %v", repo, got, want, err)
		}
	}
}

func TestRegistriesConf(t *testing.T) {
	r := podmanHome(t, map[string]string{
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
[[registry]]
location = "docker.io/library"
[[registry.mirror]]
location = "mirror.example/hub"
[[registry.mirror]]
location = "tags.example/hub"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "digests.example/hub"
pull-from-mirror = "digest-only"
insecure = true
`,
		".config/containers/registries.conf.d/x.conf":  "[aliases]\n\"short-name-of-a-test\" = \"three.example/x/y\"\n",
		"etc/containers/registries.conf":               "unqualified-search-registries = [\"not.example\"]\n", // the user's file replaces it
		"etc/containers/registries.conf.d/system.conf": "[[registry]]\nlocation = \"system.example\"\n[[registry.mirror]]\nlocation = \"cache.example\"\n",
	})
	c, err := r.settings()
	if err != nil {
		t.Fatal(err)
	}
	const digest = "@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	for n, want := range map[string][]string{
		"foo:1":                             {"one.example/foo:1", "two.example/foo:1"},
		"short-name-of-a-test:2":            {"three.example/x/y:2"},
		"old.example/a/c:1":                 {"new.example/b/c:1"},
		"old.example/ab":                    {"old.example/ab:latest"},
		"docker.io/debian:12":               {"mirror.example/hub/debian:12", "tags.example/hub/debian:12", "docker.io/library/debian:12"},
		"docker.io/debian" + digest:         {"mirror.example/hub/debian" + digest, "digests.example/hub/debian" + digest, "docker.io/library/debian" + digest},
		"index.docker.io/library/debian:12": {"mirror.example/hub/debian:12", "tags.example/hub/debian:12", "docker.io/library/debian:12"},
		"docker.io/caros/debian":            {"docker.io/caros/debian:latest"},
		"system.example/x:1":                {"cache.example/x:1", "system.example/x:1"},
	} {
		places, err := c.sources(n)
		var got []string
		for _, p := range places {
			got = append(got, p.at.String())
			if p.insecure != (dockerref.Domain(p.at) == "digests.example") {
				t.Errorf("%s: insecure is %t", p.at, p.insecure)
			}
		}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", n, err, d)
		}
	}
	for n, want := range map[string]bool{"plain.example:5000/x": true, "plain.example:50001/x": false, "plain.example/x": false} {
		if to, err := c.target(n); err != nil || to.insecure != want {
			t.Errorf("push to %s: insecure %t %v", n, to.insecure, err)
		}
	}
	if to, err := c.target("old.example/a/c:1"); err != nil || to.at.String() != "old.example/a/c:1" {
		t.Errorf("a push goes elsewhere: %v %v", to.at, err)
	}
	for n, want := range map[string]bool{"bad.example/x": true, "bad.example.org/x": false} {
		_, err := c.sources(n)
		if (err != nil) != want {
			t.Errorf("%s: %v", n, err)
		}
		if where := filepath.Join(r.root, ".config/containers/registries.conf:9"); want && !strings.Contains(strings.Join(Remedies(err), " "), where) {
			t.Errorf("%s: %v, %q do not tell the place %s", n, err, Remedies(err), where)
		}
	}
	if got, err := (settings{}).sources("foo"); err != nil || len(got) != 1 || got[0].at.String() != "docker.io/library/foo:latest" {
		t.Error(got, err)
	}
}

// A login made without an XDG_RUNTIME_DIR is found when there is one; a login of
// another user is not.
func TestLoginWithoutRuntimeDir(t *testing.T) {
	uid := strconv.Itoa(os.Getuid())
	r := podmanHome(t, map[string]string{
		"run/containers/" + uid + "/auth.json":            `{"auths": {"a.example": {"auth": "am9lOnNlY3JldA=="}}}`,
		"tmp/podman-run-" + uid + "/containers/auth.json": `{"auths": {"b.example": {"auth": "am9lOnNlY3JldA=="}}}`,
	})
	t.Setenv("TMPDIR", filepath.Join(r.root, "tmp"))
	conf, err := r.settings()
	if err != nil {
		t.Fatal(err)
	}
	for host, file := range map[string]string{"a.example": "run/containers/" + uid + "/auth.json:1", "b.example": "tmp/podman-run-" + uid + "/containers/auth.json:1", "c.example": ""} {
		named, err := dockerref.ParseNormalizedNamed(host + "/x")
		if err != nil {
			t.Fatal(err)
		}
		if file != "" {
			file = filepath.Join(r.root, file)
		}
		c, from, err := r.credentials(t.Context(), conf, named)
		if err != nil || (c.Username == "joe") != (file != "") || from != file {
			t.Errorf("%s: %q from %q %v, want it from %q", host, c.Username, from, err, file)
		}
	}
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chown(filepath.Join(r.root, "tmp/podman-run-0/containers/auth.json"), 12345, 12345); err != nil {
		t.Fatal(err)
	}
	named, err := dockerref.ParseNormalizedNamed("b.example/x")
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err := r.credentials(t.Context(), conf, named); err != nil || c.Username != "" {
		t.Errorf("the login of another user: %q %v", c.Username, err)
	}
}

// An XDG_RUNTIME_DIR that does not exist, or belongs to another user, is ignored.
func TestForeignRuntimeDir(t *testing.T) {
	r := podmanHome(t, map[string]string{".config/containers/auth.json": `{"auths": {"a.example": {"auth": "am9lOnNlY3JldA=="}}}`})
	dirs := []string{filepath.Join(r.root, "nowhere"), "/"}
	if os.Getuid() == 0 {
		other := t.TempDir()
		if err := os.Chown(other, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		dirs = []string{dirs[0], other}
	}
	// Without one, podman looks into a directory that may belong to root alone.
	closed := filepath.Join(r.root, "run/containers", strconv.Itoa(os.Getuid()))
	if err := errors.Join(os.MkdirAll(closed, 0o700), os.Chmod(filepath.Dir(closed), 0)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Dir(closed), 0o700) })
	for _, dir := range append(dirs, "") {
		t.Setenv("XDG_RUNTIME_DIR", dir)
		conf, err := r.settings()
		if err != nil {
			t.Fatal(err)
		}
		named, err := dockerref.ParseNormalizedNamed("a.example/x")
		if err != nil {
			t.Fatal(err)
		}
		if c, _, err := r.credentials(t.Context(), conf, named); err != nil || c.Username != "joe" {
			t.Errorf("%s: %q %v", dir, c.Username, err)
		}
	}
}

// The registries in which names without a registry are looked up.
func TestShortNames(t *testing.T) {
	for _, tt := range []struct{ conf, want, err string }{
		{"", "docker.io/library/foo:1", ""},
		{"unqualified-search-registries = []", "", "lists none to search"},
		{"unqualified-search-registries = [\"a.example\"]", "a.example/foo:1", ""},
		{"unqualified-search-registries = [\"a.example\", \"b.example\"]\nshort-name-mode = \"enforcing\"", "", "forbids to search several"},
		{"[aliases]\nfoo = \"a.example/b\"\nshort = \"x.example/y\"", "a.example/b:1", ""},
		{"[[registry]]\nlocation = \"a.example\"\n[[registry.mirror]]\nlocation = \"b.example\"\npull-from-mirror = \"never\"", "", "unsupported pull-from-mirror"},
	} {
		r := podmanHome(t, map[string]string{".config/containers/registries.conf": tt.conf})
		c, err := r.settings()
		var got []source
		if err == nil {
			got, err = c.sources("foo:1")
		}
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want %q", tt.conf, err, tt.err)
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0].at.String() != tt.want {
			t.Errorf("%q: %v %v, want %s", tt.conf, got, err, tt.want)
		}
	}
}

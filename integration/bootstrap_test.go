// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// secretProxy is a proxy that requires a password, and keeps what it has fetched
// of a mirror in a directory.
func secretProxy(t *testing.T, mirror, keep string) *httptest.Server {
	t.Helper()
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		q.Header.Set("Authorization", q.Header.Get("Proxy-Authorization"))
		if user, password, _ := q.BasicAuth(); user != "builder" || password != "s3cr3t" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		resp, err := http.Get(q.URL.String())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return
		}
		if rel, ok := strings.CutPrefix(q.URL.String(), mirror+"/"); ok && resp.StatusCode == http.StatusOK && keep != "" {
			mu.Lock()
			defer mu.Unlock()
			name := filepath.Join(keep, filepath.FromSlash(rel))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(name, body, 0o644); err != nil {
				t.Error(err)
			}
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestBootstrapBehindAPassword builds through a proxy with a password, which no
// step can read and no file keeps. What came through it is then a mirror in a
// directory, and one that has neither updates nor security updates.
func TestBootstrapBehindAPassword(t *testing.T) {
	w := newWorld(t)
	mirror := strings.TrimSuffix(hostMirror(t), "/")
	local := filepath.Join(w.work, "mirror")
	proxy := secretProxy(t, mirror, local)
	w.setenv("http_proxy=http://builder:s3cr3t@" + strings.TrimPrefix(proxy.URL, "http://"))
	w.file(t, "a.xml", `<redo><buildstage id="a"><bootstrap suite="bookworm" variant="apt" mirror="`+mirror+`" security-mirror="none"/>
		<action>RUN cat /run/carosbuild/apt.conf; env; apt-get update &amp;&amp; apt-get install -y --no-install-recommends hello &amp;&amp; hello</action>
		<action>RUN cd /run/carosbuild &amp;&amp; grep -q 127.0.0.1 apt.conf &amp;&amp; ! grep -r "s3cr[3]t" /run /etc /var /proc/self/environ</action>
	</buildstage></redo>`)
	w.build(t, "a.xml")
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // layers of subordinate ids
		}
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte("s3cr3t")) {
			t.Errorf("the password is in %s", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if plan := w.carosbuild(t, "plan", "--json", "a.xml"); plan.status != 0 || strings.Contains(plan.stdout+plan.stderr, "s3cr3t") {
		t.Errorf("plan --json: exit status %d, %s", plan.status, tailOf(plan.stdout))
	}

	if err := os.RemoveAll(filepath.Join(local, "dists/bookworm-updates")); err != nil {
		t.Fatal(err)
	}
	proxy.Close()
	w.file(t, "b.xml", `<redo><buildstage id="b"><bootstrap suite="bookworm" variant="apt" mirror="file://`+local+`" security-mirror="none"/>
		<action>RUN apt-get update &amp;&amp; apt-get install -y --no-install-recommends hello &amp;&amp; hello</action>
		<action>RUN ! grep -r carosbuild /etc &amp;&amp; cat /etc/apt/sources.list</action>
	</buildstage></redo>`)
	r, _ := w.build(t, "b.xml")
	if !strings.Contains(r.stderr, "has no bookworm-updates; built without it") {
		t.Errorf("no note of what the mirror lacks:\n%s", tailOf(r.stderr))
	}
}

// TestBootstrapOfEachKind builds what the manual promises and no other test has.
func TestBootstrapOfEachKind(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ attrs, run string }{
		"essential": {
			`variant="essential" packages="ed"`,
			`! command -v apt-get &amp;&amp; printf 'a\nhello\n.\nw /x\n' | ed &amp;&amp; grep hello /x &amp;&amp; test -z "$(dpkg --audit)"`,
		},
		"another architecture": {
			`packages="libc6:i386 ed"`,
			`test "$(dpkg --print-foreign-architectures)" = i386 &amp;&amp; dpkg-query -W -f '\${db:Status-Status} ' libc6:i386 libc6 ed &amp;&amp; test -z "$(dpkg --audit)" &amp;&amp; apt-get check`,
		},
		"buildd": {`variant="buildd"`, `echo 'int main(){return 0;}' | gcc -x c -o /x - &amp;&amp; /x`},
	} {
		t.Run(name, func(t *testing.T) {
			c.run = strings.ReplaceAll(c.run, `\$`, "$")
			w.file(t, "a.xml", `<redo><buildstage id="a"><bootstrap suite="bookworm" security-mirror="none" `+c.attrs+`/><action>RUN `+c.run+`</action></buildstage></redo>`)
			w.build(t, "a.xml")
		})
	}
}

// TestBootstrapOfUbuntu builds one where the host's mirror has it. The keyring
// is that of the mirror: this is not about whom to trust.
func TestBootstrapOfUbuntu(t *testing.T) {
	mirror := strings.TrimSuffix(hostMirror(t), "/debian") + "/ubuntu"
	resp, err := http.Head(mirror + "/dists/noble/InRelease")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Skipf("there is no Ubuntu at %s", mirror)
	}
	w := newWorld(t)
	index := fetched(t, mirror+"/dists/noble/main/binary-amd64/Packages.gz")
	z, err := gzip.NewReader(strings.NewReader(index))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	file := regexp.MustCompile(`(?m)^Filename: (pool/main/u/ubuntu-keyring/ubuntu-keyring_\S+\.deb)$`).FindSubmatch(plain)
	if file == nil {
		t.Fatal("noble has no ubuntu-keyring")
	}
	w.file(t, "k.deb", fetched(t, mirror+"/"+string(file[1])))
	w.ok(t, tool(t, "dpkg-deb"), "-x", "k.deb", "keys")
	w.setenv("CAROSBUILD_UBUNTU_MIRROR=" + mirror)
	w.setenv("CAROSBUILD_UBUNTU_SECURITY_MIRROR=" + mirror)
	w.file(t, "a.xml", `<redo><buildstage id="a"><bootstrap suite="noble" keyring="keys/usr/share/keyrings/ubuntu-archive-keyring.gpg"/><action>RUN grep 24.04 /etc/os-release &amp;&amp; apt-get update &amp;&amp; apt-get check</action></buildstage></redo>`)
	w.build(t, "a.xml")
}

// fetched is what is at an address.
func fetched(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", address, resp.Status)
	}
	return readAll(resp)
}

// TestBootstrapMistakes has the real mirror say what it does not have.
func TestBootstrapMistakes(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		attrs, want string // a regular expression
		status      int
	}{
		"suite":      {`suite="bookwrom" security-mirror="none"`, `a.xml:1:44: error: the mirror http\S+ has no suite "bookwrom"\n.*\n.*\^{8} did you mean "bookworm"\?`, 3},
		"package":    {`suite="bookworm" security-mirror="none" packages="vim dbuss"`, `a.xml:1:\d+: error: package "dbuss" is not in bookworm, bookworm-updates \(amd64\)\n.*\n.*\^{5} did you mean "dbus"\?`, 3},
		"component":  {`suite="bookworm" security-mirror="none" components="main nonfree"`, `a.xml:1:\d+: error: bookworm has no component "nonfree"\n.*\n.*\^{7} did you mean "non-free"\?`, 3},
		"keyring":    {`suite="bookworm" keyring="none.gpg"`, `a.xml:1:\d+: error: keyring "none.gpg" does not exist`, 3},
		"no keyring": {`suite="noble"`, `a.xml:1:44: error: noble: this host has no keyring of Ubuntu`, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w.file(t, "a.xml", `<redo><buildstage id="a"><bootstrap `+c.attrs+`/></buildstage></redo>`)
			r := w.carosbuild(t, "--progress=plain", "a.xml")
			if !regexp.MustCompile(c.want).MatchString(r.stderr) || r.status != c.status {
				t.Errorf("exit status %d:\n%s", r.status, tailOf(r.stderr))
			}
			if n := strings.Count(r.stderr, "error:") + strings.Count(r.stderr, "carosbuild:"); n != 1 {
				t.Errorf("%d errors are shown, want one:\n%s", n, tailOf(r.stderr))
			}
		})
	}
	t.Run("no place for downloads", func(t *testing.T) {
		w.file(t, "a.xml", `<redo><buildstage id="a"><bootstrap suite="bookworm"/></buildstage></redo>`)
		file := w.file(t, "file", "")
		w.setenv("XDG_CACHE_HOME=" + file + "/cache")
		if r := w.carosbuild(t, "--progress=plain", "a.xml"); r.status != 4 || strings.Contains(r.stderr, "mirror") || !strings.Contains(r.stderr, "mkdir "+file+": not a directory") {
			t.Errorf("exit status %d:\n%s", r.status, tailOf(r.stderr))
		}
	})
}

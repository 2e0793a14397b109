// SPDX-License-Identifier: MPL-2.0

package git

import (
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/netfault"
)

// serveHTTP serves the directory of an origin with git's own program, to one user.
func serveHTTP(t *testing.T, o *origin) (*httptest.Server, string) {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	must(t, err)
	h := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Dir(o.bare), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "joe" || password != "s3cret/@" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s, strings.Replace(s.URL, "http://", "http://joe:s3cret%2F%40@", 1)
}

// TestSecrets: a password works, and appears in no pin, event, error, file or list
// of processes.
func TestSecrets(t *testing.T) {
	o := newOrigin(t)
	server, url := serveHTTP(t, o)
	c := newCache(t)
	var said strings.Builder
	c.Events = func(e Event) { fmt.Fprintln(&said, e) }
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
				for _, l := range lines {
					if data, _ := os.ReadFile(l); strings.Contains(string(data), "s3cret") {
						t.Errorf("the password is in a list of processes: %q", data)
					}
				}
			}
		}
	})
	p, dir := get(t, c, url+"/tree.git", "main", CheckoutOptions{})
	_, err := c.Resolve(t.Context(), Tree{url + "/tree.git", "none"})
	fmt.Fprintln(&said, p, err)
	_, err = c.Resolve(t.Context(), Tree{url + "/none.git", "main"})
	fmt.Fprintln(&said, p, err)
	close(stop)
	watch.Wait()
	if p.URL != server.URL+"/tree.git" {
		t.Errorf("got the address %s", p.URL)
	}
	for _, top := range []string{dir, c.Dir} {
		must(t, filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				data, err := os.ReadFile(path)
				fmt.Fprintln(&said, string(data))
				return err
			}
			return err
		}))
	}
	for _, secret := range []string{"s3cret", "joe"} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%q was told: %s", secret, said.String())
		}
	}
	if _, err := newCache(t).Resolve(t.Context(), Tree{server.URL + "/tree.git", "main"}); !netfault.Is(err) {
		t.Errorf("without a password: got %v, want an error of the network, and no question", err)
	}
}

// TestSecretInUsersConfiguration: the user's configuration has an insteadOf with a
// token.
func TestSecretInUsersConfiguration(t *testing.T) {
	o := newOrigin(t)
	_, url := serveHTTP(t, o)
	home := t.TempDir()
	must(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[url \""+url+"/\"]\n\tinsteadOf = git://x.example/\n"), 0o600))
	c := newCache(t)
	c.Env = []string{"HOME=" + home}
	get(t, c, "git://x.example/tree.git", "main", CheckoutOptions{})
	if _, err := c.Resolve(t.Context(), Tree{"git://x.example/none.git", "main"}); err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "joe") {
		t.Errorf("got %v", err)
	}
}

// TestGitDaemon: the transport that the declarations of 2016 use.
func TestGitDaemon(t *testing.T) {
	o := newOrigin(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	must(t, l.Close())
	daemon := exec.CommandContext(t.Context(), "git", "daemon", "--reuseaddr", "--listen=127.0.0.1", "--port="+port, "--export-all", "--base-path="+filepath.Dir(o.bare))
	daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(t, daemon.Start())
	defer func() {
		_ = syscall.Kill(-daemon.Process.Pid, syscall.SIGKILL)
		_ = daemon.Wait()
	}()
	for range 500 {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	url := "git://127.0.0.1:" + port + "/tree.git"
	_, dir := get(t, newCache(t), url, "main", CheckoutOptions{})
	if got := o.run(dir, "git", "remote", "get-url", "origin"); got != url {
		t.Errorf("remote: %s, want %s", got, url)
	}
}

// TestProgress: counters become events.
func TestProgress(t *testing.T) {
	o := newOrigin(t)
	c := newCache(t)
	var got []Event
	c.Events = func(e Event) { got = append(got, e) }
	get(t, c, "file://"+o.bare, "main", CheckoutOptions{})
	for _, e := range got {
		if e.Phase == "receiving objects" && e.Done == 3 && e.Total == 3 && e.URL == "file://"+o.bare {
			return
		}
	}
	t.Errorf("got %v, want that 3 of 3 objects were received", got)
}

// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/dirtest"
	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/google/go-cmp/cmp"
)

func boxUser(t *testing.T, b Box) {
	s := b.step(t, "id -u; id -g; id -G")
	if _, out := b.run(t, s); out != "0\n0\n0\n" {
		t.Errorf("the superuser is %q", out)
	}
	s.UID, s.GID, s.Groups = 33, 44, []uint32{7, 8}
	if _, out := b.run(t, s); out != "33\n44\n44 7 8\n" {
		t.Errorf("another user is %q", out)
	}
}

// boxMounts: a directory and a file, each writable and read-only.
func boxMounts(t *testing.T, b Box) {
	host := t.TempDir()
	s := b.step(t, "cat m/dir/f m/file m/ro/f m/rofile; for f in m/dir/new m/file m/ro/new m/rofile; do (echo x > $f) 2>/dev/null && echo $f; done; true")
	for name, readOnly := range map[string]bool{"dir": false, "file": false, "ro": true, "rofile": true} {
		source, place := filepath.Join(host, name), filepath.Join(b.Root, "m", name)
		for _, p := range []string{source, place} {
			if strings.HasSuffix(name, "file") {
				change(t, filepath.Dir(p), name+"="+name)
			} else {
				change(t, p, "f="+name)
			}
		}
		s.Mounts = append(s.Mounts, sandbox.Mount{Source: source, Target: "/m/" + name, ReadOnly: readOnly})
	}
	change(t, b.Root, "m/dir/hidden=1")
	change(t, host, "dir/f=host", "file=host", "ro/f=host", "rofile=host")
	_, out := b.run(t, s)
	want := "hosthosthosthostm/dir/new\nm/file\n"
	if b.Shared {
		want += "m/ro/new\nm/rofile\n"
	}
	if out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
	if diff := cmp.Diff(dirtest.Listed(t, host), []string{"dir/", "dir/f=host", "dir/new=x\n", "file=x\n", "ro/", "ro/f=host", "rofile=host"}); diff != "" {
		t.Errorf("on the host (-got +want):\n%s", diff)
	}
	below := []string{"dir/", "dir/f=dir", "dir/hidden=1", "file=file", "ro/", "ro/f=ro", "rofile=rofile"}
	if diff := cmp.Diff(dirtest.Listed(t, filepath.Join(b.Root, "m")), below); diff != "" {
		t.Errorf("below the mounts (-got +want):\n%s", diff)
	}
}

// boxNetwork: a server on the host is reached only with the host's network.
func boxNetwork(t *testing.T, b Box) {
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "from the host")
	}))
	defer host.Close()
	s := b.step(t, "wget -q -O - "+host.URL)
	if status, out := b.run(t, s); status == 0 || strings.Contains(out, "from the host") {
		t.Errorf("without a network: status %d, printed %q", status, out)
	}
	s.Network = sandbox.HostNetwork
	if status, out := b.run(t, s); status != 0 || out != "from the host" {
		t.Errorf("the host's network: status %d, printed %q", status, out)
	}
	if !b.Shared {
		boxInterfaces(t, b)
	}
}

// boxInterfaces: without a network there is only a loopback interface, and no route.
func boxInterfaces(t *testing.T, b Box) {
	s := b.step(t, "cat /proc/net/dev; echo; cat /proc/net/route")
	_, out := b.run(t, s)
	dev, route, _ := strings.Cut(out, "\n\n")
	var names []string
	for line := range strings.SplitSeq(dev, "\n") {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	if strings.Join(names, " ") != "lo" || strings.Count(strings.TrimSpace(route), "\n") != 0 {
		t.Errorf("without a network: interfaces %q, routes\n%s", names, route)
	}
	s.Network = sandbox.HostNetwork
	if _, out = b.run(t, s); !strings.HasPrefix(out, "Inter-") {
		t.Fatalf("the host's network: %s", out)
	}
	if b.Apart {
		if !strings.Contains(out, "\t00000000\t") { // as a destination
			t.Errorf("no default route: %s", out)
		}
		return
	}
	data, err := os.ReadFile("/proc/net/route")
	if err != nil {
		t.Fatal(err)
	}
	if _, route, _ = strings.Cut(out, "\n\n"); route != string(data) {
		t.Errorf("routes of the host's network:\n%s\nof this process:\n%s", route, data)
	}
}

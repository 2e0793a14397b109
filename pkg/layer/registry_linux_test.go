// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/sealed"
)

const registryVar = "CAROSBUILD_TEST_REGISTRY"

// startRegistry runs Debian's docker-registry on a free port.
func startRegistry(t *testing.T) string {
	t.Helper()
	path := tool(t, "docker-registry")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	conf := filepath.Join(dir, "config.yml")
	yaml := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", filepath.Join(dir, "data"), host)
	if err := os.WriteFile(conf, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "serve", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the context has killed it
	for range 100 {
		if res, err := http.Get("http://" + host + "/v2/"); err == nil {
			res.Body.Close()
			return host
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("docker-registry does not answer")
	return ""
}

func TestRegistry(t *testing.T) {
	skopeo := tool(t, "skopeo")
	host := startRegistry(t)
	dir := t.TempDir()
	removeInside(t, dir)
	t.Setenv(registryVar, host)
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir()) // otherwise skopeo uses /run/containers, which may be the superuser's
	inside(t, "TestInnerPush", dir)

	var info struct {
		Digest string
		Layers []string
	}
	out := run(t, nil, skopeo, "inspect", "--tls-verify=false", "docker://"+host+"/caros/sample:1")
	if err := json.Unmarshal([]byte(out), &info); err != nil || len(info.Layers) != 3 {
		t.Fatalf("skopeo inspect: %v %s", err, out)
	}
	for _, tag := range []string{"1", "zstd"} { // skopeo copy reads and checks every byte
		run(t, nil, skopeo, "copy", "--src-tls-verify=false", "docker://"+host+"/caros/sample:"+tag, "oci:"+filepath.Join(dir, "copy-"+tag))
	}
	ref, err := registry.Client{}.Resolve(t.Context(), host+"/caros/sample:1", "amd64")
	if err != nil || ref != host+"/caros/sample@"+info.Digest {
		t.Errorf("resolve: got %s %v, want the digest %s", ref, err, info.Digest)
	}
	inside(t, "TestInnerPull", dir)
	if os.Getuid() != 0 {
		pod := podman(t, dir)
		pod("pull", "-q", "--tls-verify=false", host+"/caros/sample:1")
	}
}

func TestInnerPush(t *testing.T) {
	dir := innerDir(t)
	if dir == "" {
		return
	}
	host := os.Getenv(registryVar)
	s := openStoreAt(t, dir)
	buildSample(t, s)
	o := oci.PushOptions{Cache: oci.BlobCache{Dir: filepath.Join(dir, "cache")}}
	h, err := registry.Client{}.Push(t.Context(), s, "carosbuild/sample:1", host+"/caros/sample:1", o)
	if err != nil {
		t.Fatal(err)
	}
	// The second push only asks.
	var sent atomic.Int64
	counting := ocitest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			sent.Add(1)
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	if again, err := (registry.Client{Transport: counting}).Push(t.Context(), s, "carosbuild/sample:1", host+"/caros/sample:1", o); err != nil || again != h || sent.Load() != 0 {
		t.Errorf("second push: %v %v, %d requests that change something", again, err, sent.Load())
	}
	// A damaged blob in the cache is noticed and made again.
	chain, err := s.Chain(mustTop(t, s))
	if err != nil {
		t.Fatal(err)
	}
	var entry struct{ Descriptor v1.Descriptor }
	if ok, err := sealed.Read(filepath.Join(o.Cache.Dir, "index", chain[0].DiffID.Hex+".gzip"), &entry); err != nil || !ok {
		t.Fatal("no blob in the cache: ", err)
	}
	d := entry.Descriptor
	ocitest.FlipByte(t, filepath.Join(o.Cache.Dir, "blobs", "sha256", d.Digest.Hex))
	if _, err := (registry.Client{}).Push(t.Context(), s, "carosbuild/sample:1", host+"/caros/elsewhere:1", o); err != nil {
		t.Error("push with a damaged blob in the cache:", err)
	}
	if _, err := os.Stat(filepath.Join(o.Cache.Dir, "quarantine", d.Digest.Hex)); err != nil {
		t.Error("the damaged blob:", err)
	}
	o.Compression = oci.Zstd
	if _, err := (registry.Client{}).Push(t.Context(), s, "carosbuild/sample:1", host+"/caros/sample:zstd", o); err != nil {
		t.Error(err)
	}
}

func mustTop(t *testing.T, s *Store) string {
	t.Helper()
	i, err := s.mustImage("carosbuild/sample:1")
	if err != nil {
		t.Fatal(err)
	}
	return i.Top
}

// TestInnerPull pulls what was pushed into a fresh store: the layers get the same ids.
func TestInnerPull(t *testing.T) {
	dir := innerDir(t)
	if dir == "" {
		return
	}
	host := os.Getenv(registryVar)
	first := openStoreAt(t, dir)
	s := openStoreAt(t, filepath.Join(dir, "second"))
	for _, ref := range []string{host + "/caros/sample:1", host + "/caros/sample:zstd", "oci:" + filepath.Join(dir, "copy-zstd")} {
		p, err := s.Pull(t.Context(), registry.Client{}, ref, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		if want := mustTop(t, first); p.Layer != want {
			t.Errorf("%s: top layer %s, want %s", ref, p.Layer, want)
		}
	}
	view, release, err := s.View(t.Context(), mustTop(t, first))
	if err != nil {
		t.Fatal(err)
	}
	want, undo, err := first.View(t.Context(), mustTop(t, first))
	if err != nil {
		t.Fatal(err)
	}
	if err := sameTrees(view, want); err != nil {
		t.Error("pulled and built differ:", err)
	}
	if err := errors.Join(release(), undo()); err != nil {
		t.Error(err)
	}
}

// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cachedXML has three stages, of which one is not part of the disk, and a file that the
// last one adds.
func cachedXML(t *testing.T) string {
	return `<redo>` + base(t) + `
<buildstage id="tools"><prestage>base</prestage><action>RUN dd if=/dev/urandom of=/tool bs=1k count=3000</action><action>ENV TOOL=/tool</action></buildstage>
<buildstage id="app"><prestage>base</prestage><action>RUN mkdir /app; dd if=/dev/urandom of=/app/data bs=1k count=2000; chown 5:7 /app/data</action>
	<action>ENV APP=/app</action><action>WORKDIR /app</action><action>ADD app.conf /etc/app.conf</action><action>COPY --from=tools /bin/busybox /app/tool</action></buildstage>
<disk id="d" stage="app" table="gpt"><partition name="root" fs="ext4" size="64M" path="/"/></disk></redo>`
}

// traffic counts what a registry is asked for.
type traffic struct {
	mu     sync.Mutex
	blobs  map[string]int64 // bytes of each, by its digest
	writes int
}

// proxied is a proxy in front of a registry.
func proxied(t *testing.T, registry string) (addr string, seen *traffic) {
	t.Helper()
	seen = &traffic{blobs: map[string]int64{}}
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registry})
	p.ModifyResponse = func(r *http.Response) error {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if _, digest, ok := strings.Cut(r.Request.URL.Path, "/blobs/sha256:"); ok && r.Request.Method == http.MethodGet {
			seen.blobs[digest] += r.ContentLength
		}
		if r.Request.Method == http.MethodPut && strings.Contains(r.Request.URL.Path, "/manifests/") {
			seen.writes++
		}
		return nil
	}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), seen
}

// taken forgets what was counted, and returns it.
func (s *traffic) taken() (blobs map[string]int64, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	blobs, writes = s.blobs, s.writes
	s.blobs, s.writes = map[string]int64{}, 0
	return blobs, writes
}

// sha256Of is the digest of a file of the work folder.
func (w *world) sha256Of(t *testing.T, name string) string {
	t.Helper()
	sum, _, _ := strings.Cut(w.ok(t, "sha256sum", name).stdout, " ")
	return sum
}

// sharing is a world with the declaration of cachedXML.
func sharing(t *testing.T, conf string) *world {
	w := newWorld(t)
	w.file(t, "a.xml", cachedXML(t))
	w.file(t, "app.conf", conf)
	w.setenv("SOURCE_DATE_EPOCH=1700000000")
	return w
}

func TestCacheInARegistry(t *testing.T) {
	server := newWorld(t)
	registry := startRegistry(t, server)
	addr, seen := proxied(t, registry)
	ref := addr + "/ci/cache"
	out := []string{"--out", "d.raw"}

	a := sharing(t, "one")
	r, ran := a.build(t, append([]string{"a.xml", "--cache", ref}, out...)...)
	if len(ran) != 10 || !strings.Contains(r.stderr, "cache: 0 results found, 10 written") {
		t.Fatalf("the first build ran %v\n%s", ran, r.stderr)
	}
	want := a.sha256Of(t, "d.raw")
	_, _ = seen.taken()

	// Another machine runs nothing, has the same disk, and only what that one reads.
	b := sharing(t, "one")
	r, ran = b.build(t, append([]string{"a.xml", "--cache-from", ref}, out...)...)
	if len(ran) != 0 || !strings.Contains(r.stderr, "0 written") {
		t.Errorf("another machine ran %v\n%s", ran, r.stderr)
	}
	if got := b.sha256Of(t, "d.raw"); got != want {
		t.Errorf("its disk is %s, not %s", got, want)
	}
	blobs, writes := seen.taken()
	if writes != 0 {
		t.Errorf("--cache-from wrote %d manifests", writes)
	}
	checkBlobs(t, b, ref, blobs)
	if out := b.ok(t, program(t), "images").stdout; strings.Contains(out, "app") || strings.Contains(r.stdout, ":app") {
		t.Errorf("the stages were unpacked:\n%s%s", out, r.stdout)
	}

	// A third one is told what would run.
	c := sharing(t, "two")
	if r := c.carosbuild(t, "why", "a.xml", "--cache-from", ref); !strings.Contains(r.stdout, "runs because file app.conf changed") || !strings.Contains(r.stdout, "app 4/5") {
		t.Errorf("why: %d\n%s%s", r.status, r.stdout, r.stderr)
	}
	r = c.carosbuild(t, "a.xml", "--cache-from", ref, "--require-cached", "--out", "d.raw")
	if r.status != 1 || !strings.Contains(r.stderr, "runs because file app.conf changed") || !strings.Contains(r.stderr, "--require-cached") {
		t.Errorf("--require-cached: %d\n%s", r.status, r.stderr)
	}
	if _, ran := c.build(t, append([]string{"a.xml", "--cache", ref}, out...)...); !cmp.Equal(ran, []string{"app 4/5", "app 5/5"}) {
		t.Errorf("with another file it ran %v", ran)
	}
	if c.sha256Of(t, "d.raw") == want {
		t.Error("the disk does not have the other file")
	}
	if _, ran := b.build(t, append([]string{"a.xml", "--cache", ref, "--require-cached"}, out...)...); len(ran) != 0 || b.sha256Of(t, "d.raw") != want {
		t.Errorf("the first result is not found any more: %v", ran)
	}

	// What is old can be removed; an image that has another tag, too, stays.
	w := newWorld(t)
	key := a.lastKey(t, "app")
	w.ok(t, tool(t, "skopeo"), "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://"+ref+":step-"+key, "docker://"+ref+":release")
	for age, want := range map[string]string{"1d": "removed 0 results", "0h": "removed 11 results, 1 stay"} {
		if out := w.ok(t, program(t), "prune", "--registry", ref, "--older-than", age).stdout; !strings.HasPrefix(out, want) {
			t.Errorf("prune of what is older than %s: %s, want %s", age, out, want)
		}
	}
	if out := c.ok(t, program(t), "plan", "a.xml", "--cache", ref, "-t", "tools").stdout; !strings.Contains(out, "cached") {
		t.Errorf("this machine's results are gone:\n%s", out)
	}
	d := sharing(t, "one")
	if out := d.ok(t, program(t), "plan", "a.xml", "--cache-from", ref).stdout; !strings.Contains(out, "1 of 10 steps are cached") {
		t.Errorf("what was removed is found:\n%s", out)
	}
}

// lastKey is the key of the last step of a stage of a.xml.
func (w *world) lastKey(t *testing.T, stage string) string {
	t.Helper()
	var p struct {
		Stages []struct{ ID, Key string }
	}
	if err := json.Unmarshal([]byte(w.ok(t, program(t), "plan", "a.xml", "--json", "-t", stage).stdout), &p); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Stages {
		if s.ID == stage {
			return s.Key
		}
	}
	t.Fatalf("no stage %s in %v", stage, p)
	return ""
}

// checkBlobs fails where another blob was fetched than a layer of the disk's stage or a
// configuration, or one twice.
func checkBlobs(t *testing.T, w *world, ref string, blobs map[string]int64) {
	t.Helper()
	layers := map[string]int64{}
	key := w.lastKey(t, "app")
	var m struct {
		Annotations map[string]string
		Layers      []struct {
			Digest string
			Size   int64
		}
	}
	image := ref + ":step-" + key
	if err := json.Unmarshal([]byte(w.ok(t, tool(t, "skopeo"), "inspect", "--raw", "--tls-verify=false", "docker://"+image).stdout), &m); err != nil {
		t.Fatal(err)
	}
	for _, l := range m.Layers {
		layers[strings.TrimPrefix(l.Digest, "sha256:")] = l.Size
	}
	if m.Annotations["org.carosio.carosbuild.key"] != key || m.Annotations["org.carosio.carosbuild.stage"] != "app" {
		t.Errorf("annotations %v", m.Annotations)
	}
	w.ok(t, tool(t, "podman"), "pull", "--quiet", "--tls-verify=false", image) // others read it, too
	got := 0
	for digest, n := range blobs {
		switch size, ok := layers[digest]; {
		case ok && n == size:
			got++
		case ok:
			t.Errorf("of layer %s with %d bytes, %d were fetched", digest, size, n)
		case n > 10000:
			t.Errorf("blob %s with %d bytes is not part of the disk", digest, n)
		}
	}
	if got != len(layers) {
		t.Errorf("%d of %d layers were fetched", got, len(layers))
	}
}

// Without a registry, the volume of a job does it, for several builds at once.
func TestCacheInADirectory(t *testing.T) {
	dir := "oci:" + filepath.Join(newWorld(t).work, "cache")
	a := sharing(t, "one")
	a.build(t, "a.xml", "--cache-to", dir+",mode=stage,compression=zstd,level=9", "--out", "d.raw")
	var wg sync.WaitGroup
	for i := range 3 {
		w := sharing(t, []string{"one", "one", "two"}[i])
		wg.Go(func() {
			r := w.carosbuild(t, "--progress=plain", "a.xml", "--cache", dir, "--out", "d.raw")
			want := [][]string{nil, nil, {"app 1/5", "app 2/5", "app 3/5", "app 4/5", "app 5/5"}}[i] // of each stage there is the end
			if ran := executed(r.stderr); r.status != 0 || !cmp.Equal(ran, want) {
				t.Errorf("%d: status %d, ran %v\n%s", i, r.status, ran, r.stderr)
			}
		})
	}
	wg.Wait()
	// Stages that are asked for are in the store.
	w := sharing(t, "two")
	w.setenv("CAROSBUILD_CACHE=" + dir)
	if _, ran := w.build(t, "a.xml", "-t", "app", "-B", "x"); len(ran) != 0 {
		t.Errorf("with the variable it ran %v", ran)
	}
	if out := w.ok(t, program(t), "shell", "x:app", "/bin/sh", "-c", "cat /etc/app.conf; stat -c %u:%g /app/data; echo $APP; pwd").stdout; out != "two5:7\n/app\n/app\n" {
		t.Errorf("the stage has %q", out)
	}
}

// A cache that fails costs a warning.
func TestCacheFails(t *testing.T) {
	gone := httptest.NewServer(nil)
	ref := strings.TrimPrefix(gone.URL, "http://") + "/ci/cache"
	gone.Close()
	w := sharing(t, "one")
	r, ran := w.build(t, "a.xml", "--cache", ref, "--out", "d.raw")
	if n := strings.Count(r.stderr, "warning: cache "+ref); len(ran) != 10 || n != 2 {
		t.Errorf("ran %v with %d warnings\n%s", ran, n, r.stderr)
	}
	if r := w.carosbuild(t, "a.xml", "--cache", ref, "--cache-required", "--out", "d.raw"); r.status != 5 || !strings.Contains(r.stderr, ref) {
		t.Errorf("--cache-required: %d\n%s", r.status, r.stderr)
	}

	// A damaged result is made again.
	dir := filepath.Join(w.work, "cache")
	w.build(t, "a.xml", "--cache", "oci:"+dir, "--out", "d.raw")
	want := w.sha256Of(t, "d.raw")
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, b := range blobs {
		if st, err := os.Stat(b); err != nil || st.Size() < 100_000 {
			continue
		}
		data, err := os.ReadFile(b)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(b, data, 0o644); err != nil {
			t.Fatal(err)
		}
		damaged++
	}
	other := sharing(t, "one")
	r, ran = other.build(t, "a.xml", "--cache", "oci:"+dir, "--out", "d.raw")
	if len(ran) == 0 || !strings.Contains(r.stderr, "is not used: ") {
		t.Errorf("%d layers were damaged, ran %v\n%s", damaged, ran, r.stderr)
	}
	if want == other.sha256Of(t, "d.raw") { // what steps make here is random
		t.Error("the disk is that of the damaged layers")
	}
}

// cacheRecipe is the script of a block of docs/cache.md.
func cacheRecipe(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/cache.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(page), "```yaml "+name+"\n")
	if !ok {
		t.Fatalf("docs/cache.md has no block %s", name)
	}
	block, _, _ = strings.Cut(block, "```")
	var lines []string
	for line := range strings.Lines(block) {
		line = strings.TrimSpace(line)
		for _, first := range []string{"export ", "printf ", "if ", "carosbuild "} {
			if command := strings.TrimPrefix(line, "- "); strings.HasPrefix(command, first) {
				lines = append(lines, command)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// The recipes of docs/cache.md, with a registry that wants TLS and a password.
func TestCacheRecipes(t *testing.T) {
	server := newWorld(t)
	// htpasswd -nbB ci secret
	server.file(t, "htpasswd", "ci:$2a$05$hILAntkkI7JC5pm0dKEnuOg83aS7prgLVJeR8JNPnM.4geTpPOIrC\n")
	registry := startRegistry(t, server, "auth: {htpasswd: {realm: r, path: "+filepath.Join(server.work, "htpasswd")+"}}\n")
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registry})
	director := p.Director
	p.Director = func(r *http.Request) { director(r); r.Header.Set("X-Forwarded-Proto", "https") }
	tls := httptest.NewTLSServer(p)
	t.Cleanup(tls.Close)
	addr := strings.TrimPrefix(tls.URL, "https://")
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw}))

	github := strings.ReplaceAll(cacheRecipe(t, "github-cache"), "ghcr.io", addr)
	for name, recipe := range map[string]struct {
		script string
		ran    []int // steps, by job
		status int
	}{
		"gitlab":         {cacheRecipe(t, "gitlab-cache"), []int{10, 0}, 0},
		"gitlab request": {"CI_PIPELINE_SOURCE=merge_request_event\nCI_REGISTRY_IMAGE=" + addr + "/request\n" + cacheRecipe(t, "gitlab-cache"), []int{10, 10}, 0},
		"gitlab folder":  {cacheRecipe(t, "gitlab-folder"), []int{10, 0}, 0},
		"github":         {github, []int{10, 0}, 0},
		"wrong password": {"TOKEN=wrong\n" + strings.Replace(github, "--cache ", "--cache-required --cache ", 1), []int{0}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(newWorld(t).work, ".steps")
			for job, want := range recipe.ran {
				w := sharing(t, "one")
				if err := os.Rename(filepath.Join(w.work, "a.xml"), filepath.Join(w.work, "node.xml")); err != nil {
					t.Fatal(err)
				}
				certs := filepath.Join(w.dir, "home/.config/containers/certs.d", addr)
				if err := os.MkdirAll(certs, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(certs, "ca.crt"), []byte(ca), 0o600); err != nil {
					t.Fatal(err)
				}
				for _, kv := range []string{
					"CI_REGISTRY=" + addr, "CI_REGISTRY_IMAGE=" + addr + "/gitlab", "CI_REGISTRY_USER=ci", "CI_REGISTRY_PASSWORD=secret",
					"GITHUB_ACTOR=ci", "TOKEN=secret", "GITHUB_REPOSITORY=github/project", "CAROSBUILD_PROGRESS=plain",
				} {
					w.setenv(kv)
				}
				if err := os.Mkdir(folder, 0o700); err != nil && job == 0 {
					t.Fatal(err)
				}
				if err := os.Symlink(folder, filepath.Join(w.work, ".steps")); err != nil {
					t.Fatal(err)
				}
				script := strings.ReplaceAll(recipe.script, "carosbuild ", program(t)+" ")
				r := w.run(t, "sh", "-ec", script)
				if ran := executed(r.stderr); (r.status != 0) != (recipe.status != 0) || len(ran) != want || strings.Contains(r.stderr, "warning: cache") {
					t.Errorf("job %d: status %d, ran %v, want %d\n%s\n%s", job, r.status, ran, want, script, r.stderr)
				}
			}
		})
	}
}

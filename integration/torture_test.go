// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tortured skips a test that takes long, and returns how often it is to do its work.
func tortured(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("CAROSBUILD_TORTURE"))
	if err != nil || n < 1 {
		t.Skip("takes long: make torture")
	}
	return n
}

// seed is where the random numbers begin; a failure names it.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("CAROSBUILD_TORTURE_SEED"), 10, 64)
	if err != nil {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("CAROSBUILD_TORTURE_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}

// wide is a declaration of stages that are based on one and do not need each other, and a
// last one that needs all of them.
func wide(t *testing.T, stages int, salt string) string {
	var b strings.Builder
	b.WriteString(`<redo>` + base(t))
	last := `<buildstage id="last"><prestage>base</prestage>`
	for i := range stages {
		fmt.Fprintf(&b, `<buildstage id="s%d"><prestage>base</prestage><action>RUN echo %s %d > /a; seq 40000 &gt; /b</action><action>RUN cat /a /b > /c</action></buildstage>`, i, salt, i)
		last += fmt.Sprintf(`<action>COPY --from=s%d /c /c%d</action>`, i, i)
	}
	return b.String() + last + `</buildstage><disk id="d" stage="last" table="gpt"><partition name="root" fs="ext4" size="96M" path="/"/></disk></redo>`
}

// Eight builds at once of fifty stages: each step ran exactly once, and all disks are the
// same.
func TestTortureWide(t *testing.T) {
	tortured(t)
	const builds, stages = 8, 50
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=1700000000")
	w.file(t, "a.xml", wide(t, stages, "wide"))
	var mu sync.Mutex
	var all []string
	var wg sync.WaitGroup
	for i := range builds {
		wg.Go(func() {
			r := w.run(t, program(t), "--progress=plain", "a.xml", "-B", fmt.Sprintf("b%d", i), "--out", fmt.Sprintf("d%d.raw", i))
			mu.Lock()
			defer mu.Unlock()
			all = append(all, executed(r.stderr)...)
			if r.status != 0 {
				t.Errorf("build %d: exit status %d\n%s", i, r.status, tailOf(r.stderr))
			}
		})
	}
	wg.Wait()
	slices.Sort(all)
	want := 3 + 2*stages + stages
	if once := slices.Compact(slices.Clone(all)); len(all) != want || len(once) != want {
		t.Errorf("%d steps ran, %d different ones; want %d of both", len(all), len(once), want)
	}
	first := w.sha256Of(t, "d0.raw")
	for i := range builds {
		if got := w.sha256Of(t, fmt.Sprintf("d%d.raw", i)); got != first {
			t.Errorf("disk %d is %s, the first %s", i, got, first)
		}
	}
	if r := w.carosbuild(t, "fsck"); r.status != 0 {
		t.Errorf("fsck: %s%s", r.stdout, r.stderr)
	}
}

// Commands are killed at random moments. The store passes fsck, no tag of the registry
// names a blob that is missing, and the next command succeeds.
func TestTortureKills(t *testing.T) {
	rounds := tortured(t)
	random := seed(t)
	registry := startRegistry(t, newWorld(t))
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=1700000000")
	w.file(t, "a.xml", wide(t, 4, "0"))
	w.build(t, "a.xml", "-B", "first", "--out", "d.raw")
	layout, ref := "oci:"+filepath.Join(w.dir, "layout"), registry+"/t/img"
	commands := map[string]func(i int) []string{
		"build": func(i int) []string { return []string{"a.xml", "-B", fmt.Sprintf("k%d", i), "--out", "d.raw"} },
		"cache, registry": func(i int) []string {
			return []string{"a.xml", "-B", fmt.Sprintf("k%d", i), "--cache", registry + "/t/cache"}
		},
		"cache, layout": func(i int) []string { return []string{"a.xml", "-B", fmt.Sprintf("k%d", i), "--cache", layout} },
		"push":          func(i int) []string { return []string{"push", "first:last", fmt.Sprintf("%s:%d", ref, i%3)} },
		"push, zstd": func(i int) []string {
			return []string{"push", "--compression", "zstd", "first:s0", fmt.Sprintf("%s:z%d", ref, i%3)}
		},
		"pull":  func(int) []string { return []string{"pull", ref + ":0"} },
		"prune": func(int) []string { return []string{"prune", "k*"} },
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range commands {
			if !yield(name) {
				return
			}
		}
	})
	w.ok(t, program(t), "push", "first:last", ref+":0")
	killed := map[string]int{}
	for i := range rounds {
		name := names[random.IntN(len(names))]
		w.file(t, "a.xml", wide(t, 4, fmt.Sprint(random.IntN(rounds)))) // most builds have something to do
		after := time.Duration(random.IntN(800)) * time.Millisecond
		args := commands[name](i)
		before := func() {
			if name == "prune" { // something
				w.build(t, "a.xml", "-B", fmt.Sprintf("k%d", i))
			}
		}
		before()
		if w.killAfter(t, after, args...) {
			killed[name]++
		}
		if i%10 == 9 || i == rounds-1 {
			if r := w.carosbuild(t, "fsck"); r.status != 0 {
				t.Fatalf("round %d, %s killed after %s: fsck has status %d\n%s%s", i, name, after, r.status, r.stdout, r.stderr)
			}
			for _, repository := range []string{"t/img", "t/cache"} {
				checkTags(t, registry, repository)
			}
		}
		before()
		if r := w.carosbuild(t, args...); r.status != 0 {
			t.Fatalf("round %d: %s after it was killed after %s: exit status %d\n%s", i, strings.Join(args, " "), after, r.status, tailOf(r.stderr))
		}
	}
	t.Logf("killed: %v", killed)
	total := 0
	for _, n := range killed {
		total += n
	}
	if total < rounds/4 {
		t.Errorf("%d of %d commands were killed: the others had ended", total, rounds)
	}
	if left := w.leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// killAfter kills a command without warning, and reports whether it was still running.
func (w *world) killAfter(t *testing.T, after time.Duration, args ...string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := w.command(ctx, program(t), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
	defer timer.Stop()
	_ = cmd.Wait()
	ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled()
}

// checkTags fails where a tag of a repository names something that is not there.
func checkTags(t *testing.T, registry, repository string) {
	t.Helper()
	var list struct{ Tags []string }
	if !answered(t, "http://"+registry+"/v2/"+repository+"/tags/list", &list) {
		return // nothing was pushed yet
	}
	for _, tag := range list.Tags {
		var m struct {
			Config struct{ Digest string }
			Layers []struct{ Digest string }
		}
		if !answered(t, "http://"+registry+"/v2/"+repository+"/manifests/"+tag, &m) {
			t.Errorf("%s:%s has no manifest", repository, tag)
			continue
		}
		for _, d := range append(m.Layers, m.Config) {
			res, err := http.Head("http://" + registry + "/v2/" + repository + "/blobs/" + d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("%s:%s names %s: %s", repository, tag, d.Digest, res.Status)
			}
		}
	}
}

// answered reads an answer into v, and reports whether there is one.
func answered(t *testing.T, url string, v any) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode == http.StatusOK && json.Unmarshal(body, v) == nil
}

// The store and the caches are on a file system that gets full at random moments. What
// fails says so, the store passes fsck, and with more room the same command succeeds.
func TestTortureSpace(t *testing.T) {
	rounds := tortured(t)
	if os.Getuid() != 0 {
		t.Skip("only the superuser mounts a small file system for a builder")
	}
	random := seed(t)
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=1700000000")
	w.file(t, "a.xml", wide(t, 4, "space"))
	script := `set -e
		mkdir -p small; mount -t tmpfs -o size="$1" small small
		printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/small/graph"\nrunroot = "%s/run"\n' "$PWD" "$PWD" >storage.conf
		export CONTAINERS_STORAGE_CONF=$PWD/storage.conf XDG_CACHE_HOME=$PWD/small/cache XDG_STATE_HOME=$PWD/small/state
		status=0; "$0" a.xml --cache oci:small/layout --out small/d.raw || status=$?
		mount -o remount,size=400m small
		echo "first: $status"; "$0" fsck || echo "fsck: $?"
		"$0" a.xml --cache oci:small/layout --out small/d.raw; "$0" fsck; sha256sum small/d.raw`
	sums := map[string]int{}
	failed := 0
	for i := range max(rounds/5, 1) {
		size := fmt.Sprintf("%dk", 500+random.IntN(9000))
		r := w.run(t, "unshare", "--mount", "sh", "-c", script, program(t), size)
		if r.status != 0 || strings.Contains(r.stdout, "fsck: ") {
			t.Fatalf("round %d, size %s: status %d\n%s%s", i, size, r.status, r.stdout, tailOf(r.stderr))
		}
		if !strings.Contains(r.stdout, "first: 0") {
			failed++
		}
		lines := strings.Fields(r.stdout)
		sums[lines[len(lines)-2]]++
	}
	t.Logf("%d builds ran out of space", failed)
	if failed == 0 || len(sums) != 1 {
		t.Errorf("%d builds ran out of space; disks: %v", failed, sums)
	}
}

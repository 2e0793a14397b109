// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// writerVar is the directory in which a child of a test writes and waits.
const writerVar = "CAROSBUILD_TEST_WRITER"

// What a killed process was writing is removed by the next one, what somebody is
// writing is not, nor anything else.
func TestLeftBehind(t *testing.T) {
	if dir := os.Getenv(writerVar); dir != "" {
		for range 2 {
			if _, err := freshFile(dir, ".new-"); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Println("ready")
		select {}
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLeftBehind$")
	cmd.Env = append(os.Environ(), writerVar+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	own, err := freshFile(dir, ".new-")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{".new-backup", ".new-", "new-1", ".new-1x"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, ".new-77")); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if sweepFresh(dir, ".new-"); count() != 8 {
		t.Errorf("%d entries while all live, want 8", count())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if sweepFresh(dir, ".new-"); count() != 6 {
		t.Errorf("%d entries after a kill, want 6", count())
	}
	if err := finishFresh(own, filepath.Join(dir, "done"), 0o644, nil); err != nil {
		t.Error(err)
	}
}

// A layout that is exported to, by several at once, has no locks and nothing
// unfinished in it.
func TestExportLeavesNothing(t *testing.T) {
	from, to := newLayout(t), t.TempDir()
	if err := os.MkdirAll(filepath.Join(to, "blobs/sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{".lock", ".new-123", "blobs/sha256/.new-456"} { // of one that was killed
		if err := os.WriteFile(filepath.Join(to, n), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	const n = 16
	for i := range n {
		img, err := openLayoutImage(from.dir, from.image(makeTar(t, reg("f", fmt.Sprint(i))), nil))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := exportLayout(t.Context(), img, to, fmt.Sprintf("tag%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range n {
		if _, err := openLayout(to, fmt.Sprintf("tag%d", i), "", v1.Platform{OS: "linux", Architecture: "amd64"}); err != nil {
			t.Error(err)
		}
	}
	for _, pattern := range []string{".*", "blobs/sha256/.*"} {
		if left, _ := filepath.Glob(filepath.Join(to, pattern)); len(left) != 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}

// A blob cache is rid of what a killed push has left by the next.
func TestBlobCacheLeftBehind(t *testing.T) {
	c := BlobCache{t.TempDir()}
	left := filepath.Join(c.Dir, "blobs/sha256/.new-12345")
	if err := os.MkdirAll(filepath.Dir(left), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("half a blob"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.sweep()
	if _, err := os.Lstat(left); err == nil {
		t.Error("it is still there")
	}
}

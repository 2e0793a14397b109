// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/oci"
)

// TestInnerLoop commits layers until it is killed.
func TestInnerLoop(t *testing.T) {
	dir := innerDir(t)
	if dir == "" || os.Getenv("CAROSBUILD_TEST_LOOP") == "" {
		return
	}
	s := &stepper{T: t, s: openStoreAt(t, dir)}
	for i := 0; ; i++ {
		s.step(CommitOptions{}, func(root string) error {
			return os.WriteFile(filepath.Join(root, fmt.Sprint("f", i%3)), fmt.Append(nil, os.Getpid(), i, strings.Repeat("x", 100<<10)), 0o644)
		})
		if i%10 == 9 {
			s.top = Layer{}
		}
	}
}

// Whenever a process is killed, the next one finds only complete layers and removes the
// dead one's unfinished work.
func TestKill(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	dir := t.TempDir()
	for round := range rounds {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestInnerLoop$")
		cmd.Env = append(os.Environ(), dirVar+"="+dir, "CAROSBUILD_TEST_LOOP=1")
		cmd.Env = withoutSettling(cmd.Env)
		if round%2 == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS} // its mounts go with it
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatal("the loop ended by itself:", err)
		}
		checkStore(t, dir)
	}
}

// withoutSettling is the environment for a process that is already in the namespace.
func withoutSettling(env []string) []string { return append(env, settledVar+"=1") }

// checkStore opens a store and checks all layers.
func checkStore(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(t.Context(), Options{GraphRoot: filepath.Join(dir, "graph"), RunRoot: filepath.Join(dir, "run")})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Prepare(t.Context(), "") // a writer makes the store clean up
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.Root(), "x"), fmt.Append(nil, rand.Int()), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Commit(t.Context(), w, CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	layers, err := s.store.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for i := range layers {
		if err := s.WriteTar(s.remember(&layers[i]), io.Discard); err != nil {
			t.Error(err)
		}
	}
	s.bg.Wait()
	wips, err := os.ReadDir(filepath.Join(dir, "graph/carosbuild/wip"))
	if err != nil || len(wips) != 1 {
		t.Errorf("%d work directories, want that of this process: %v", len(wips), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "graph/carosbuild/pending"))
	if err != nil || len(left) > 1 {
		t.Errorf("%d layers are marked as not on disk: %v", len(left), err)
	}
}

// Two processes and several goroutines make the same layers at the same time.
func TestTogether(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	s := openStoreAt(t, dir)
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for range 2 {
		wg.Go(func() {
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestInnerSame$")
			cmd.Env = append(withoutSettling(os.Environ()), dirVar+"="+dir)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			if out, err := cmd.CombinedOutput(); err != nil {
				errs <- fmt.Errorf("%w: %s", err, out)
			}
		})
		wg.Go(func() { errs <- sameLayers(t, s) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	layers, err := s.store.Layers()
	if err != nil || len(layers) != 12 {
		t.Errorf("%d layers, %v", len(layers), err)
	}
}

func TestInnerSame(t *testing.T) {
	if dir := innerDir(t); dir != "" {
		if err := sameLayers(t, openStoreAt(t, dir)); err != nil {
			t.Error(err)
		}
	}
}

func sameLayers(t *testing.T, s *Store) error {
	epoch, parent := int64(1), ""
	for i := range 12 {
		w, err := s.Prepare(t.Context(), parent)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(w.Root(), fmt.Sprint(i)), []byte("x"), 0o644); err != nil {
			return err
		}
		l, _, err := s.Commit(t.Context(), w, CommitOptions{Clamp: &epoch})
		if err != nil {
			return err
		}
		parent = l.ID
	}
	return nil
}

// Mounts of a process that was killed in this mount namespace are unmounted before its
// files are removed: removing them through the mount would change a layer.
func TestBury(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	dead := openStoreAt(t, dir)
	base, _ := (&stepper{T: t, s: dead}).step(CommitOptions{}, func(root string) error {
		return os.WriteFile(filepath.Join(root, "f"), []byte("x"), 0o644)
	})
	w, err := dead.Prepare(t.Context(), base.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.wip.lock.Close(); err != nil {
		t.Fatal(err)
	}
	s := openStoreAt(t, dir)
	s.bg.Wait()
	if s.bgErr != nil {
		t.Error(s.bgErr)
	}
	if _, err := os.Lstat(w.dir); !os.IsNotExist(err) {
		t.Error("the snapshot is there:", err)
	}
	if err := s.WriteTar(base, io.Discard); err != nil {
		t.Error(err)
	}
	dead.wip.lock, err = os.Open(dir) // for Close
	if err != nil {
		t.Error(err)
	}
}

// Bytes that have changed in the store are never exported as if they were good.
func TestBitRot(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	l, _ := (&stepper{T: t, s: s}).step(CommitOptions{}, func(root string) error {
		return os.WriteFile(filepath.Join(root, "f"), []byte("content"), 0o644)
	})
	for name, spoil := range map[string]func() error{
		"content":   func() error { return os.WriteFile(filepath.Join(s.diffDir(l.ID), "f"), []byte("c0ntent"), 0o644) },
		"truncated": func() error { return os.Truncate(filepath.Join(s.diffDir(l.ID), "f"), 3) },
		"a link":    func() error { return replaceByLink(filepath.Join(s.diffDir(l.ID), "f"), "/etc/passwd") },
		"the record": func() error {
			old, err := os.ReadFile(s.splitFile(l.ID))
			if err != nil {
				return err
			}
			var plain bytes.Buffer
			z, err := gzip.NewReader(bytes.NewReader(old))
			if err != nil {
				return err
			}
			if _, err := io.Copy(&plain, z); err != nil {
				return err
			}
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			// One more segment, which only the digest reveals.
			fmt.Fprintf(w, "%s{\"type\":2,\"payload\":\"AAAA\",\"position\":9}\n", plain.String())
			return errors.Join(w.Close(), os.WriteFile(s.splitFile(l.ID), out.Bytes(), 0o600))
		},
	} {
		if err := os.RemoveAll(filepath.Join(s.diffDir(l.ID), "f")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.diffDir(l.ID), "f"), []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
		keep, err := os.ReadFile(s.splitFile(l.ID))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.WriteTar(l, io.Discard); err != nil {
			t.Fatal(err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if err := s.WriteTar(l, io.Discard); !errors.Is(err, oci.ErrDamaged) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := os.WriteFile(s.splitFile(l.ID), keep, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func replaceByLink(path, to string) error {
	return errors.Join(os.Remove(path), os.Symlink(to, path))
}

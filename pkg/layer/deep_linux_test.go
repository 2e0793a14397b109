// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// makeDeep makes nested directories below root, all named d except the first.
func makeDeep(root, first string, levels int) error {
	at, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	for name := first; levels > 0; levels, name = levels-1, "d" {
		if err := unix.Mkdirat(at, name, 0o755); err != nil {
			return err
		}
		next, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		unix.Close(at)
		at = next
	}
	fd, err := unix.Openat(at, "f", unix.O_CREAT|unix.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte("content"))
	unix.Close(fd)
	unix.Close(at)
	return err
}

// lowerFiles lowers the limit of descriptors for the rest of the test.
func lowerFiles(t *testing.T, n uint64) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })
}

// Trees with more levels than there are descriptors, and with paths beyond the kernel's
// limit, are committed, exported, applied, discarded and removed, and the store can be
// opened again.
func TestDeepTreeInStore(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	s := openStoreAt(t, dir)
	lowerFiles(t, 128)
	for _, levels := range []int{300, 4000} {
		w, err := s.Prepare(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := makeDeep(w.Root(), "top", levels); err != nil {
			t.Fatal(err)
		}
		l, _, err := s.Commit(t.Context(), w, CommitOptions{})
		if err != nil {
			t.Fatalf("%d levels: %v", levels, err)
		}
		var tar bytes.Buffer
		if err := s.WriteTar(l, &tar); err != nil {
			t.Fatalf("%d levels: %v", levels, err)
		}
		if err := s.RemoveLayer(l.ID); err != nil {
			t.Fatalf("%d levels: %v", levels, err)
		}
		again, err := s.Apply(t.Context(), "", &tar, l.DiffID)
		if err != nil || again.ID != l.ID {
			t.Fatalf("%d levels: applied as %s, %v", levels, again.ID, err)
		}
		if levels > 1000 { // on a layer this takes long
			continue
		}
		if w, err = s.Prepare(t.Context(), again.ID); err != nil {
			t.Fatal(err)
		}
		if err := makeDeep(w.Root(), "other", levels); err != nil {
			t.Fatal(err)
		}
		if err := makeDeep(w.Root(), "cache", levels); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Commit(t.Context(), w, CommitOptions{Exclude: []string{"/cache"}}); err != nil {
			t.Fatalf("%d levels on a layer: %v", levels, err)
		}
		if w, err = s.Prepare(t.Context(), again.ID); err != nil {
			t.Fatal(err)
		}
		if err := makeDeep(w.Root(), "gone", levels); err != nil {
			t.Fatal(err)
		}
		if err := w.Discard(); err != nil {
			t.Fatal(err)
		}
	}
	// The next process that opens the store removes what a killed one has left.
	w, err := s.Prepare(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := makeDeep(w.Root(), "left", 400); err != nil {
		t.Fatal(err)
	}
	s.bg.Wait()
	if err := s.bgErr; err != nil {
		t.Error(err)
	}
}

// An error about a file of a step prints its name as text: nothing in it can act on a
// terminal or look like another line.
func TestCommitErrorsPrintNamesAsText(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	for r := rune(1); r < 0x20000; r++ {
		if !terminal.Acts(r) {
			continue
		}
		name := ".wh.x" + string(r) + "\n::set-output name=x::y\xff"
		w, err := s.Prepare(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkdir(w.Root()+"/"+name, 0o755); err != nil {
			t.Fatal(err)
		}
		_, _, err = s.Commit(t.Context(), w, CommitOptions{})
		if err == nil {
			t.Fatalf("%q was committed", name)
		}
		msg := err.Error()
		if want := terminal.Line("/" + name); !strings.Contains(msg, want) || strings.IndexFunc(msg, terminal.Acts) >= 0 || !utf8.ValidString(msg) {
			t.Errorf("the error for %q is %q", name, msg)
		}
	}
}

// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"path/filepath"
	"testing"
	"time"
)

// A build that waits for a step is told once who holds it, and then gets the lock.
func TestStepLockSaysWhoHasIt(t *testing.T) {
	dir := t.TempDir()
	first := (&Local{CacheDir: dir, Holder: "build one (process 42)"}).lock("key")
	if want := filepath.Join(dir, "locks", "key"); first.path != want {
		t.Errorf("the lock is %s, want %s", first.path, want)
	}
	unlock, err := first.take(t.Context(), func(string) { t.Error("a free lock is waited for") })
	if err != nil {
		t.Fatal(err)
	}
	second := (&Local{CacheDir: dir, Holder: "build two"}).lock("key")
	second.after = 10 * time.Millisecond
	told := make(chan string, 10)
	got := make(chan error)
	go func() {
		unlock, err := second.take(t.Context(), func(by string) { told <- by })
		if err == nil {
			unlock()
		}
		got <- err
	}()
	if by, want := <-told, "build one (process 42)"; by != want {
		t.Errorf("told %q, want %q", by, want)
	}
	time.Sleep(50 * time.Millisecond)
	unlock()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	if len(told) > 0 {
		t.Errorf("told again: %q", <-told)
	}
}

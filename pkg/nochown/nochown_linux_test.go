// SPDX-License-Identifier: MPL-2.0

package nochown

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const childVar = "CAROSBUILD_TEST_NOCHOWN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

// child gives files away, from several threads.
func child(dir string) int {
	if err := Install(); err != nil {
		return 3
	}
	file := filepath.Join(dir, "f")
	f, err := os.Create(file)
	if err != nil {
		return 4
	}
	var wg sync.WaitGroup
	errs := make(chan error, 40)
	for range 10 {
		wg.Go(func() {
			errs <- unix.Chown(file, 12, 34)
			errs <- unix.Lchown(file, 12, 34)
			errs <- f.Chown(12, 34)
			errs <- unix.Fchownat(unix.AT_FDCWD, file, 12, 34, 0)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return 5
		}
	}
	if os.Chmod(file, 0o400) != nil { // and the rest works
		return 6
	}
	return 0
}

func TestInstall(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(dir, "f"))
	if err != nil || st.Mode() != 0o400 || int(st.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		t.Errorf("%v, %v", st, err)
	}
}

// SPDX-License-Identifier: MPL-2.0

package freshfile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// writerVar is the directory in which a child of a test writes and waits.
const writerVar = "CAROSBUILD_TEST_WRITER"

// What a killed process was writing is removed by the next one, what somebody is
// writing is not, nor anything else.
func TestLeftBehind(t *testing.T) {
	if dir := os.Getenv(writerVar); dir != "" {
		for range 2 {
			f, err := CreateNamed(dir, ".new-")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close() // never: a file that nothing refers to would be closed, and its lock end
		}
		fmt.Println("ready")
		time.Sleep(time.Hour) // until it is killed; nothing but a select would be found to be a deadlock
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
	own, err := CreateNamed(dir, ".new-")
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
	if Sweep(dir, ".new-"); count() != 8 {
		t.Errorf("%d entries while all live, want 8", count())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if Sweep(dir, ".new-"); count() != 6 {
		t.Errorf("%d entries after a kill, want 6", count())
	}
	if err := Finish(own, filepath.Join(dir, "done"), 0o644, nil); err != nil {
		t.Error(err)
	}
}

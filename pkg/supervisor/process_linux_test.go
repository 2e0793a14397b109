// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseStatus(t *testing.T) {
	const text = "Name:\tUmask: 777\nUmask:\t0027\nState:\tS (sleeping)\nTgid:\t42\nPid:\t43\nNStgid:\t42\t7\nNSpid:\t43\t8\nNoNewPrivs:\t1\n"
	if s, err := parseStatus(text); err != nil || s != (status{process: 42, umask: 0o27, own: [2]int{8, 7}, noNewPrivs: true}) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{"", "Umask:\t0022\n", "Tgid:\t4\n", "Umask:\t9\nTgid:\t4\n", "Umask:\t0022\nTgid:\tx\n"} {
		if s, err := parseStatus(bad); err == nil {
			t.Errorf("%q is %+v", bad, s)
		}
	}
	if s, err := thread(os.Getpid()).status(); err != nil || s.process != os.Getpid() {
		t.Errorf("this process: %+v, %v", s, err)
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a/tool": 0o644, "b/tool": 0o755, "a/dir/x": 0o755} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"HOME=/", "PATH=" + dir + "/none:" + dir + "/a:" + dir + "/b"}
	for name, want := range map[string]string{"tool": dir + "/b/tool", "./x": "./x", "/none": "/none", "dir": "", "other": ""} {
		got, err := lookPath(name, env)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := lookPath("tool", nil); err == nil {
		t.Error("found without a PATH")
	}
}

// Unmapped memory is an error, and nothing beyond mapped memory is read.
func TestMemory(t *testing.T) {
	self, b := thread(os.Getpid()), make([]byte, 8)
	if self.Read(0, b) == nil || self.write(8, b) == nil || self.Read(^uint64(0)-3, b) == nil {
		t.Error("memory that is not there was read or written")
	}
}

// SPDX-License-Identifier: MPL-2.0

package swap

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var uuid = [16]byte{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16}

const uuidText = "01020304-0506-4708-890a-0b0c0d0e0f10"

// run runs a foreign tool, which may be in /usr/sbin.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
				t.Fatalf("no %s", name)
			}
			t.Skipf("no %s", name)
		}
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func write(t testing.TB, size int64, label string) string {
	t.Helper()
	m, err := Build(size, label, uuid)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "swap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(m.Size()); err != nil {
		t.Fatal(err)
	}
	for _, x := range m.Extents() {
		if _, err := io.Copy(io.NewOffsetWriter(f, x.Off), io.NewSectionReader(m, x.Off, x.Len)); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// TestLikeMkswap compares with mkswap, and lets others read it.
func TestLikeMkswap(t *testing.T) {
	for _, tt := range []struct {
		size  int64
		label string
	}{{40960, ""}, {1 << 20, "CAROSSWAP"}, {64<<20 + 4095, "15 letters here"}} {
		got, want := write(t, tt.size, tt.label), filepath.Join(t.TempDir(), "mkswap")
		if err := os.WriteFile(want, make([]byte, tt.size), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "mkswap", "-p", "4096", "-U", uuidText, "-L", tt.label, want)
		g, err := os.ReadFile(got)
		if err != nil {
			t.Fatal(err)
		}
		w, err := os.ReadFile(want)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(g, w) {
			t.Errorf("%d bytes differ from mkswap's", tt.size)
		}
		if out := run(t, "swaplabel", got); !strings.Contains(out, "UUID:  "+uuidText) || tt.label != "" && !strings.Contains(out, "LABEL: "+tt.label) {
			t.Errorf("swaplabel says\n%s", out)
		}
		if out := run(t, "blkid", "-p", got); !strings.Contains(out, `TYPE="swap"`) || !strings.Contains(out, uuidText) {
			t.Errorf("blkid says\n%s", out)
		}
		if out := run(t, "file", got); !strings.Contains(out, fmt.Sprintf("4k page size, little endian, version 1, size %d pages", tt.size/4096-1)) {
			t.Errorf("file says\n%s", out)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		size  int64
		label string
		text  string
	}{
		{-1, "", "at least 40960"},
		{40959, "", "at least 40960"},
		{17 << 40, "", "at most"},
		{1 << 20, "sixteen letters.", "label"},
		{1 << 20, "a\x00", "label"},
	} {
		if _, err := Build(tt.size, tt.label, uuid); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%d bytes, label %q: %v", tt.size, tt.label, err)
		}
	}
	if _, err := Build(16<<40, "", uuid); err != nil {
		t.Error(err)
	}
}

// SPDX-License-Identifier: MPL-2.0

package swap

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

var uuid = [16]byte{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16}

const uuidText = "01020304-0506-4708-890a-0b0c0d0e0f10"

func write(t testing.TB, size int64, label string) string {
	t.Helper()
	m, err := Build(size, label, uuid)
	if err != nil {
		t.Fatal(err)
	}
	return disktest.Save(t, m, 1)
}

// TestLikeMkswap compares with mkswap, and has other programs read it.
func TestLikeMkswap(t *testing.T) {
	for _, tt := range []struct {
		size  int64
		label string
	}{{40960, ""}, {1 << 20, "CAROSSWAP"}, {64<<20 + 4095, "15 letters here"}} {
		got, want := write(t, tt.size, tt.label), filepath.Join(t.TempDir(), "mkswap")
		if err := os.WriteFile(want, make([]byte, tt.size), 0o600); err != nil {
			t.Fatal(err)
		}
		tooltest.Run(t, "mkswap", "-p", "4096", "-U", uuidText, "-L", tt.label, want)
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
		if out := tooltest.Run(t, "swaplabel", got); !strings.Contains(out, "UUID:  "+uuidText) || tt.label != "" && !strings.Contains(out, "LABEL: "+tt.label) {
			t.Errorf("swaplabel says\n%s", out)
		}
		if out := tooltest.Run(t, "blkid", "-p", got); !strings.Contains(out, `TYPE="swap"`) || !strings.Contains(out, uuidText) {
			t.Errorf("blkid says\n%s", out)
		}
		if out := tooltest.Run(t, "file", got); !strings.Contains(out, fmt.Sprintf("4k page size, little endian, version 1, size %d pages", tt.size/4096-1)) {
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

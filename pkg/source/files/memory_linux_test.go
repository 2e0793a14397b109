// SPDX-License-Identifier: MPL-2.0

package files

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/sealed"
)

// A file that is as it was is not read again; any other change than of its name is noticed.
func TestMemory(t *testing.T) {
	src := t.TempDir()
	for i := range 5 {
		if err := os.WriteFile(filepath.Join(src, fmt.Sprint(i)), bytes.Repeat([]byte{byte(i)}, 1<<20), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	later := time.Now().Add(time.Hour)
	m := Memory{Dir: filepath.Join(t.TempDir(), "added"), Now: func() time.Time { return later }}
	want, err := Digest(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	digest := func() string {
		t.Helper()
		got, added, err := m.DigestAll(t.Context(), src)
		if err != nil || len(added) != 6 {
			t.Fatalf("%d files, %v", len(added), err)
		}
		return got
	}
	if got := digest(); got != want {
		t.Errorf("the first time: %s, want %s", got, want)
	}
	known := m.Known(src)
	if len(known) != 5 {
		t.Fatalf("%d files are remembered", len(known))
	}

	st, err := os.Stat(filepath.Join(src, "3"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := known.Sum(st); !ok {
		t.Fatalf("%v is not remembered", st)
	}
	if got := digest(); got != want {
		t.Errorf("the second time: %s, want %s", got, want)
	}

	// A wrong digest shows that a remembered file is not read.
	id, _ := identityOf(st)
	wrong := []remembered{{id, strings.Repeat("00", 32)}}
	if err := sealed.Write(m.file(src), wrong); err != nil {
		t.Fatal(err)
	}
	if got := digest(); got == want {
		t.Error("a remembered file was read")
	}
	if err := os.RemoveAll(m.Dir); err != nil {
		t.Fatal(err)
	}
	if got := digest(); got != want {
		t.Errorf("without a memory: %s, want %s", got, want)
	}

	// Same size, same time of its content: the time of the inode is another.
	if err := os.WriteFile(filepath.Join(src, "3"), bytes.Repeat([]byte{9}, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(src, "3"), st.ModTime(), st.ModTime()); err != nil {
		t.Fatal(err)
	}
	changed, err := Digest(t.Context(), src)
	if err != nil || changed == want {
		t.Fatalf("%s, %v", changed, err)
	}
	if got := digest(); got != changed {
		t.Errorf("changed: %s, want %s", got, changed)
	}
	if len(m.Known(src)) != 5 {
		t.Errorf("%d files are remembered", len(m.Known(src)))
	}
}

// What has changed a moment ago, and what takes no time to read, is not remembered, and
// damage counts as nothing.
func TestMemoryForgets(t *testing.T) {
	src := t.TempDir()
	if err := os.WriteFile(filepath.Join(src, "f"), make([]byte, worthwhile), 0o644); err != nil {
		t.Fatal(err)
	}
	soon := Memory{Dir: t.TempDir(), Now: func() time.Time { return time.Now().Add(settled / 2) }}
	want, _, err := soon.DigestAll(t.Context(), src)
	if err != nil || len(soon.Known(src)) != 0 {
		t.Errorf("changed a moment ago: %v, %v", soon.Known(src), err)
	}
	m := Memory{Dir: t.TempDir(), Now: func() time.Time { return time.Now().Add(2 * settled) }}
	if _, _, err := m.DigestAll(t.Context(), src); err != nil || len(m.Known(src)) != 1 {
		t.Errorf("later: %v, %v", m.Known(src), err)
	}
	if err := os.WriteFile(m.file(src), []byte(`{"record": [], "sha256": "x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _, err := m.DigestAll(t.Context(), src); err != nil || got != want || len(m.Known(src)) != 1 {
		t.Errorf("after damage: %s, %v, %v", got, m.Known(src), err)
	}
	if err := os.Truncate(filepath.Join(src, "f"), worthwhile-1); err != nil {
		t.Fatal(err)
	}
	small := Memory{Dir: t.TempDir(), Now: m.Now}
	if _, _, err := small.DigestAll(t.Context(), src); err != nil || len(small.Known(src)) != 0 {
		t.Errorf("small: %v, %v", small.Known(src), err)
	}
	if (Memory{}).Known(src) != nil || m.Known("f") != nil {
		t.Error("nothing is remembered without a directory, and of relative names")
	}
	if units, err := m.Units(); err != nil || len(units) != 1 {
		t.Errorf("units %v, %v", units, err)
	}
}

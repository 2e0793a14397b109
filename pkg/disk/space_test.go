// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/image"
)

func TestCheckSpace(t *testing.T) {
	dir := t.TempDir()
	_, _, free, err := freeAt(dir)
	if err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "not", "there")
	for _, tt := range []struct {
		name   string
		claims []Claim
		want   error
	}{
		{"fits", []Claim{{"a", dir, 1}, {"b", missing, 1 << 10}}, nil},
		{"too much", []Claim{{"packages", dir, free + 1<<40}}, syscall.ENOSPC},
		{"too much together", []Claim{{"packages", dir, free/2 + 1<<33}, {"x.raw", missing, free/2 + 1<<33}}, syscall.ENOSPC},
		{"nothing", []Claim{{"a", dir, 0}, {"b", "/proc", 1 << 60}}, nil},
	} {
		if err := CheckSpace(tt.claims); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestSpaceErrorHasBothNumbers(t *testing.T) {
	err := &SpaceError{Dir: "/srv", Need: 3<<30 + 1, Free: 12 << 30, Claims: []Claim{{"packages", "/srv", 2 << 30}, {"a.raw", "/srv", 1<<30 + 1}}}
	want := "the file system of /srv has 12.0 GiB free, and at least 3073 MiB (2048 MiB packages, 1025 MiB a.raw) are needed"
	if diff := cmp.Diff(err.Error(), want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

// A disk that does not fit is refused before a byte of it is written, and old files
// are unchanged.
func TestWriteWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "a.raw")
	if err := os.WriteFile(out, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	const size = 1 << 60
	read := 0
	m, err := image.New(size, []image.Extent{{Off: 0, Len: size - 1<<20, Src: counting{&read}}, {Off: size - 1<<20, Len: 1 << 20, Src: image.Zeros{}}})
	if err != nil {
		t.Fatal(err)
	}
	var space *SpaceError
	if err := Write(t.Context(), out, "", m, WriteOptions{}); !errors.As(err, &space) || space.Need != size-1<<20 {
		t.Errorf("got %v", err)
	}
	if read != 0 {
		t.Errorf("%d bytes were read", read)
	}
	if b, err := os.ReadFile(out); err != nil || !bytes.Equal(b, []byte("old")) {
		t.Errorf("the old file is %q, %v", b, err)
	}
}

type counting struct{ n *int }

func (c counting) ReadAt(p []byte, _ int64) (int, error) {
	*c.n += len(p)
	return len(p), nil
}

// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/image"
)

// sparseFile is what WriteSparse writes to.
type sparseFile struct{ b []byte }

func (f *sparseFile) WriteAt(p []byte, off int64) (int, error) {
	if need := int(off) + len(p); need > len(f.b) {
		f.b = append(f.b, make([]byte, need-len(f.b))...)
	}
	return copy(f.b[off:], p), nil
}

// TestChild refuses the child of another disk in every form: the data that it lacks
// is in its parent, and would be zeros here.
func TestChild(t *testing.T) {
	m, err := image.New(1<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	var sparse sparseFile
	if err := WriteStream(t.Context(), &stream, m, Options{Name: "a.vmdk"}); err != nil {
		t.Fatal(err)
	}
	if err := WriteSparse(t.Context(), &sparse, m, Options{Name: "a.vmdk"}); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"streamOptimized": stream.Bytes(), "monolithicSparse": sparse.b} {
		if _, err := Open(bytes.NewReader(b), int64(len(b))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, line := range []string{"parentCID=ed8ce040", "parentCID = ED8ce04", `ParentCID="12345"`} {
			child := bytes.Clone(b)
			copy(child[bytes.Index(child, []byte("parentCID=ffffffff")):], (line + strings.Repeat(" ", 18))[:18])
			_, err := Open(bytes.NewReader(child), int64(len(child)))
			if !errors.Is(err, ErrFormat) || !errors.Is(err, damage.ErrUnread) || !strings.Contains(err.Error(), "child of another disk") {
				t.Errorf("%s with %s: %v", name, line, err)
			}
		}
	}
	flat := FlatMagic + "\nparentCID=12345678\nparentFileNameHint=\"base.vmdk\"\nRW 2048 ZERO\n"
	if _, err := OpenFlat(flat, nil); !errors.Is(err, damage.ErrUnread) || !strings.Contains(err.Error(), `("base.vmdk")`) {
		t.Errorf("flat: %v", err)
	}
}

// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// TestForeignKinds names files that contain a disk in a format that is not
// supported, instead of reading them as raw disks.
func TestForeignKinds(t *testing.T) {
	for _, k := range foreignKinds {
		b := make([]byte, 64<<10)
		at := k.off
		if at < 0 {
			at += int64(len(b))
		}
		copy(b[at:], k.magic)
		path := filepath.Join(t.TempDir(), "disk")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := OpenDisk(path)
		if err == nil {
			t.Errorf("%s: opened as %s", k.kind, o.Format)
			if err := o.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if !errors.Is(err, damage.ErrUnread) || !strings.Contains(err.Error(), k.kind) || !strings.Contains(err.Error(), k.remedy) {
			t.Errorf("%s: %v", k.kind, err)
		}
	}
}

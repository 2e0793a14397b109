// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/progress"
)

// countedRoot counts how often it is walked.
type countedRoot struct {
	heldRoot
	walks *int
}

func (r countedRoot) Tree(ctx context.Context, clamp int64, jobs int) (*tree.Tree, func() error, error) {
	*r.walks++
	return r.heldRoot.Tree(ctx, clamp, jobs)
}

// TestSeveralDisksOfOneStage: the stage is walked once, each disk is the same as if
// composed alone, and digests are correct where they are made.
func TestSeveralDisksOfOneStage(t *testing.T) {
	d := decltest.Parse(t, `<disk id="a" table="gpt"><partition fs="ext4" size="16M" path="/"/></disk>
		<disk id="b" table="mbr"><partition fs="ext4" size="24M" path="/" type="0x83"/></disk>`)
	walks := 0
	roots := map[string]RootFS{"s": countedRoot{files(t, map[string]string{"etc/hostname": "caros\n"}), &walks}}
	epoch := int64(1700000000)
	write := func(dir string, disks ...*decl.Disk) []*DiskImage {
		t.Helper()
		e := &Composer{Epoch: &epoch, Jobs: 2, CacheDir: t.TempDir(), Sums: true, Now: time.Now, Events: func(progress.Event) {}}
		images, release, err := e.Compose(t.Context(), disks, roots)
		if err != nil {
			t.Fatal(err)
		}
		var outs [][]disk.Output
		for _, k := range disks {
			outs = append(outs, []disk.Output{{Path: filepath.Join(dir, k.ID+".vmdk")}, {Path: filepath.Join(dir, k.ID+".img")}})
		}
		if err := e.Write(t.Context(), images, outs, nil); err != nil {
			t.Fatal(err)
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
		return images
	}
	for _, k := range d.Disks {
		k.Stage = "s"
	}
	together, alone := t.TempDir(), t.TempDir()
	images := write(together, d.Disks...)
	if walks != 1 {
		t.Errorf("the stage was walked %d times, want once", walks)
	}
	for i, k := range d.Disks {
		write(alone, k)
		for _, ending := range []string{".vmdk", ".img"} {
			got, err := os.ReadFile(filepath.Join(together, k.ID+ending))
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(alone, k.ID+ending))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s%s is not what it is alone", k.ID, ending)
			}
			sum := sha256.Sum256(got)
			told := images[i].Sums[filepath.Join(together, k.ID+ending)]
			if ending == ".vmdk" && told != hex.EncodeToString(sum[:]) || ending == ".img" && told != "" {
				t.Errorf("%s%s: the digest is %q", k.ID, ending, told)
			}
		}
	}
}

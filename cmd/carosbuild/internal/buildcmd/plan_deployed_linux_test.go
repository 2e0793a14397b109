// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// TestDeployedLines names the files that a disk takes of its own stage.
func TestDeployedLines(t *testing.T) {
	dir := t.TempDir()
	const images = "REDO/build/tmp/deploy/images/"
	for _, name := range []string{"a/i-a.tar.gz", "a/bzImage", "a/u-boot.img", "b/i-b.tar.gz"} {
		if err := os.MkdirAll(filepath.Join(dir, images, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, images, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	src, err := tree.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	files, err := src.Read(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	k := &decl.Disk{
		Stage: "s", Deploy: &decl.Deploy{Machine: "a"},
		Partitions: []*decl.Partition{
			{Items: decl.Items{
				&decl.CopyItem{From: "deploy:kernel"}, &decl.CopyItem{From: "deploy:systemd-boot", Optional: true},
				&decl.CopyItem{From: "deploy:u-boot", Stage: "other"}, &decl.CopyItem{From: "/x"},
			}},
			{Path: "deploy:rootfs"},
		},
	}
	want := []string{"kernel /" + images + "a/bzImage", "rootfs /" + images + "a/i-a.tar.gz"}
	if diff := cmp.Diff(want, deployedLines(files, k)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	k.Deploy.Machine = ""
	if diff := cmp.Diff([]string{"files of several machines are deployed: a, b"}, deployedLines(files, k)); diff != "" {
		t.Errorf("of two machines (-want +got):\n%s", diff)
	}
}

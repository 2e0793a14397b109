// SPDX-License-Identifier: MPL-2.0

package disk_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// A tree becomes the root file system of a disk, which is written as a VMDK that
// VMware imports. The ending of the name determines the format.
func Example() {
	ctx := context.Background()
	files := tree.NewBuilder(1700000000)
	hello := "Hello from a disk.\n"
	err := files.Add(tree.Entry{Path: "etc/motd", Mode: tree.Regular | 0o644, Size: int64(len(hello)), Content: strings.NewReader(hello)})
	check(err)
	root, err := files.Tree()
	check(err)
	layout, err := disk.Compose(ctx, disk.Spec{Table: "gpt", Partitions: []disk.Partition{{Name: "root", FS: "ext4", Label: "ROOT", Size: bytesize.Partition{Bytes: 64 << 20}, Tree: root}}})
	check(err)
	dir := scratch()
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "hello.vmdk")
	check(disk.Write(ctx, out, "", layout.Image, disk.WriteOptions{}))

	opened, err := disk.OpenDisk(out)
	check(err)
	fmt.Println(opened.Format, opened.Size()>>20, "MiB")
	check(opened.Close())
	// Output: vmdk 66 MiB
}

// Several files of one disk are written in one pass over its data.
func ExampleWriteAll() {
	ctx := context.Background()
	root, err := tree.NewBuilder(0).Tree()
	check(err)
	layout, err := disk.Compose(ctx, disk.Spec{Table: "mbr", Partitions: []disk.Partition{{FS: "fat32", Size: bytesize.Partition{Bytes: 64 << 20}, Tree: root}}})
	check(err)
	dir := scratch()
	defer os.RemoveAll(dir)
	outs := []disk.Output{{Path: filepath.Join(dir, "card.img")}, {Path: filepath.Join(dir, "card.qcow2")}}
	check(disk.WriteAll(ctx, outs, layout.Image, disk.WriteOptions{}))
	for _, out := range outs {
		d, err := disk.OpenDisk(out.Path)
		check(err)
		fmt.Println(filepath.Base(out.Path), d.Format, d.Size()>>20, "MiB")
		check(d.Close())
	}
	// Output:
	// card.img raw 65 MiB
	// card.qcow2 qcow2 65 MiB
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// scratch is a directory for the outputs.
func scratch() string {
	dir, err := os.MkdirTemp("", "carosbuild-example-")
	check(err)
	return dir
}

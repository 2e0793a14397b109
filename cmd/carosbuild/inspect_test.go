// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// diskTree is a tree of the files NAME=TEXT.
func diskTree(ts *testscript.TestScript, files []string) *tree.Tree {
	b := tree.NewBuilder(1700000000)
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		text = strings.ReplaceAll(text, "|", "\n")
		e := tree.Entry{Path: name, Mode: tree.Regular | 0o644, Mtime: 1700000000, Size: int64(len(text)), Content: image.Bytes(text)}
		if link, ok := strings.CutPrefix(text, "->"); ok {
			e = tree.Entry{Path: name, Mode: tree.Symlink | 0o777, Mtime: 1700000000, Link: link}
		}
		ts.Check(b.Add(e))
	}
	t, err := b.Tree()
	ts.Check(err)
	return t
}

// makeDisk is the command "disk PATH [NAME=TEXT...]": a disk with an ESP and a
// root partition that has these files; "|" is the end of a line.
func makeDisk(ts *testscript.TestScript, _ bool, args []string) {
	l, err := disk.Compose(context.Background(), disk.Spec{
		Table: "gpt", Size: 128 << 20, Seed: []byte("seed"), Time: 1700000000,
		Partitions: []disk.Partition{
			{Name: "esp", Type: "esp", FS: "fat32", Label: "CAROSESP", Size: bytesize.Partition{Bytes: 40 << 20}, Tree: diskTree(ts, []string{
				"EFI/BOOT/BOOTX64.EFI=MZ" + strings.Repeat(" ", 100) + "#### LoaderInfo: systemd-boot 252.39-1 ####",
				"loader/entries/caros.conf=title CarOS|linux /vmlinuz|options root=LABEL=CAROSROOT ro console=ttyS0,115200n8|",
			})},
			{Name: "root", Type: "root-x86-64", FS: "ext4", Label: "CAROSROOT", Size: bytesize.Partition{Rest: true}, Tree: diskTree(ts, args[1:])},
		},
	})
	ts.Check(err)
	ts.Check(disk.Write(context.Background(), ts.MkAbs(args[0]), "", l.Image, disk.WriteOptions{Seed: []byte("seed")}))
}

// flipByte is the command "flip PATH OFFSET".
func flipByte(ts *testscript.TestScript, _ bool, args []string) {
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	b[at] ^= 0xFF
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

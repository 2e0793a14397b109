// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/google/go-cmp/cmp"
)

func ownOptions() Options {
	return Options{Modules: []string{"ext4", "virtio-blk", "virtio_pci", "nosuch?"}}
}

// An initrd with the caller's program has that program, files and modules, and no busybox.
func TestBuildOwn(t *testing.T) {
	b, err := BuildOwn(mk(stage()), ownOptions(), []byte("INIT"), map[string][]byte{"usr/bin/x": []byte("X")})
	if err != nil {
		t.Fatal(err)
	}
	names, contents := unpack(t, b)
	want := map[string]string{
		"m/order":   "journal-base\njbd2\nmbcache\ncrc16\next4\nvirtio_blk\n",
		"m/ext4.ko": "EXT4", "m/jbd2.ko": "JBD2", "m/mbcache.ko": "EXT4", "m/crc16.ko": "CRC", "m/journal-base.ko": "BASE",
		"m/virtio_blk.ko": "VBLK", "init": "INIT",
	}
	if diff := cmp.Diff(want, contents); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	for _, w := range []string{"-rwxr-xr-x usr/bin/x", "drwxr-xr-x usr/bin", "drwxr-xr-x dev"} {
		if !slices.Contains(names, w) {
			t.Errorf("no %q in %q", w, names)
		}
	}
	if slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "busybox") }) {
		t.Errorf("there is a busybox: %q", names)
	}
	o := ownOptions()
	o.Compression = "none"
	plain, err := BuildOwn(mk(stage()), o, []byte("INIT"), nil)
	if err != nil || !bytes.HasPrefix(plain, []byte(cpioMagic)) {
		t.Errorf("without compression: %.6q, %v", plain, err)
	}
	o.Compression = "rot13"
	if _, err := BuildOwn(mk(stage()), o, nil, nil); err == nil {
		t.Error("an unknown compression was taken")
	}
}

// The needed files alone give the same initrd.
func TestNeeded(t *testing.T) {
	names, err := Needed(mk(stage()), ownOptions())
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{"lib": "-> usr/lib"}
	for _, n := range names {
		kept[n] = stage()[n]
		if strings.HasPrefix(kept[n], "=> ") {
			kept[n] = "EXT4"
		}
	}
	if len(kept) != 9 {
		t.Errorf("kept %q", names)
	}
	all, err := BuildOwn(mk(stage()), ownOptions(), []byte("INIT"), nil)
	if err != nil {
		t.Fatal(err)
	}
	few, err := BuildOwn(mk(kept), ownOptions(), []byte("INIT"), nil)
	if err != nil || !bytes.Equal(all, few) {
		t.Errorf("another initrd of what is needed, %v", err)
	}
	if _, err := Needed(&tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755}}}, ownOptions()); err == nil {
		t.Error("a tree without a kernel needs something")
	}
}

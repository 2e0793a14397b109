// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"bufio"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/fat"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uki"
)

// Limits for reading a disk: the number of initrds, and the bytes of each,
// compressed and decompressed.
const (
	maxInitrds  = 4
	maxInitrd   = 256 << 20
	maxUnpacked = 1 << 30
)

// busDrivers are the kernel modules for disks on a bus; any of them is sufficient.
var busDrivers = map[string][]string{
	"ahci": {"ahci"}, "virtio": {"virtio_blk"}, "nvme": {"nvme"}, "pvscsi": {"vmw_pvscsi"}, "lsi": {"sym53c8xx"}, "ide": {"ata_piix"},
}

// chooseBus is the requested bus, else the first bus for which the disk's initrd
// has a driver. If it has no disk driver at all, drivers may be built into the
// kernel: then it is the first bus.
func chooseBus(f Facts, o Options, buses ...string) string {
	if o.Bus != "" {
		return o.Bus
	}
	for _, bus := range buses {
		for _, driver := range busDrivers[bus] {
			if slices.Contains(f.Drivers, driver) {
				return bus
			}
		}
	}
	return buses[0]
}

// drivers are the modules of busDrivers in the initrds of a file system. If a file
// system or initrd cannot be read, it has none.
func drivers(r *io.SectionReader) []string {
	var out []string
	tries := 0
	for _, e := range files(r) {
		if tries == maxInitrds || e.Type() != tree.Regular || e.Content == nil || e.Size > maxInitrd {
			continue
		}
		content := io.NewSectionReader(e.Content, 0, e.Size)
		name := strings.ToLower(path.Base(e.Path))
		switch {
		case strings.HasPrefix(name, "initrd") || strings.HasPrefix(name, "initramfs"):
			tries++
			out = append(out, initrdDrivers(content)...)
		case strings.HasSuffix(name, ".efi"):
			if in := unifiedInitrd(content); in != nil {
				tries++
				out = append(out, initrdDrivers(in)...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// files are the files of a file system of a type that boot parts are on.
func files(r *io.SectionReader) []tree.Entry {
	type system interface{ Tree() (*tree.Tree, error) }
	var fs system
	var err error
	if fs, err = fat.Open(r, r.Size()); err != nil {
		if fs, err = ext4.Open(r, r.Size()); err != nil {
			return nil
		}
	}
	t, err := fs.Tree()
	if err != nil {
		return nil
	}
	return t.Entries
}

// unifiedInitrd is the initrd in a unified kernel image, or nil.
func unifiedInitrd(r *io.SectionReader) io.Reader {
	m, err := uki.Read(r, r.Size())
	if err != nil {
		return nil
	}
	if in := m.Open(".initrd"); in != nil {
		return in
	}
	return nil
}

// initrdDrivers are the modules of busDrivers in an initrd: cpio archives of format
// newc, compressed or not, one after another.
func initrdDrivers(in io.Reader) []string {
	var out []string
	note := func(name string) {
		name = path.Base(name)
		name, _, ok := strings.Cut(name, ".ko")
		name = strings.ReplaceAll(name, "-", "_")
		for _, all := range busDrivers {
			if ok && slices.Contains(all, name) {
				out = append(out, name)
			}
		}
	}
	for range 4 { // microcode comes first, in an archive of its own
		unpacked, packed, err := disk.Decompress(in)
		if err != nil {
			return out
		}
		r := bufio.NewReader(io.LimitReader(unpacked, maxUnpacked))
		if err := readCpio(r, note); err != nil || packed {
			return out
		}
		for { // zeros between archives
			b, err := r.ReadByte()
			if err != nil {
				return out
			}
			if b != 0 {
				break
			}
		}
		if r.UnreadByte() != nil {
			return out
		}
		in = r
	}
	return out
}

var errCpio = errors.New("not a cpio archive of format newc")

// readCpio calls f with the name of each file of an archive, up to its end.
func readCpio(r *bufio.Reader, f func(name string)) error {
	var h [110]byte
	for {
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return err
		}
		if s := string(h[:6]); s != "070701" && s != "070702" {
			return errCpio
		}
		size, err := strconv.ParseUint(string(h[54:62]), 16, 32)
		if err != nil {
			return errCpio
		}
		length, err := strconv.ParseUint(string(h[94:102]), 16, 32)
		if err != nil || length == 0 || length > 4096 {
			return errCpio
		}
		name := make([]byte, length)
		if _, err := io.ReadFull(r, name); err != nil {
			return err
		}
		text := strings.TrimRight(string(name), "\x00")
		if text == "TRAILER!!!" {
			return nil
		}
		f(text)
		pad := func(n uint64) int64 { return int64((4 - n%4) % 4) }
		if _, err := io.CopyN(io.Discard, r, pad(uint64(len(h))+length)+int64(size)+pad(size)); err != nil {
			return err
		}
	}
}

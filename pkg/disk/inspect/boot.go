// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/grub"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uboot"
)

var le = binary.LittleEndian

// maxFiles bounds the number of files that are examined, maxLoader how much of a
// loader is read, and maxText the size of a configuration.
const (
	maxFiles  = 500
	maxLoader = 8 << 20
	maxText   = 256 << 10
)

// boot finds the parts that take part in booting the system.
func (d *Disk) boot() []Boot {
	var out []Boot
	if g, _ := grub.Find(d.table.Boot, d.src, d.src.Size()); g != nil {
		b := Boot{Kind: "bios", Name: "GRUB", Offset: g.Start, Detail: fmt.Sprintf("core image of %d bytes", g.Size)}
		if g.Legacy {
			b.Name, b.Detail = "GRUB Legacy", fmt.Sprintf("second stage of %d bytes", g.Size)
		}
		out = append(out, b)
	} else if d.table.Boot != nil && len(d.table.Parts) > 0 {
		out = append(out, Boot{Kind: "bios", Name: "boot code", Detail: "of unknown origin"})
	}
	if b, _ := d.spl(); b != nil {
		out = append(out, *b)
	}
	out = append(out, d.discEntries()...)
	tries := 0
	for _, v := range d.volumes {
		t := v.files()
		for i := 0; t != nil && i < len(t.Entries) && tries < maxFiles; i++ {
			b, tried := v.bootEntry(&t.Entries[i])
			if b != nil {
				out = append(out, *b)
			}
			if tried {
				tries++
			}
		}
	}
	return out
}

// splOffsets are the offsets at which Allwinner's boot ROMs look for a loader; the
// second is used with a GPT.
func splOffsets() []int64 { return []int64{8 << 10, 128 << 10} }

// spl finds U-Boot for Allwinner. The error is a problem with it.
func (d *Disk) spl() (*Boot, error) {
	limit := d.src.Size()
	for _, p := range d.table.Parts {
		limit = min(limit, p.Start)
	}
	for _, off := range splOffsets() {
		blob, err := uboot.Blob(d.src, off, limit)
		if err != nil {
			return nil, err
		}
		if blob == nil {
			continue
		}
		b := &Boot{Kind: "spl", Name: "U-Boot", Offset: off}
		s, err := uboot.CheckSPL(blob)
		if b.Detail = clean(s.DeviceTree); s.Name != "" {
			b.Name = clean(s.Name)
		}
		return b, err
	}
	return nil, nil
}

// bootEntry says what a file has to do with booting, according to its path and then
// its content. tried says that the content was read.
func (v *volume) bootEntry(e *tree.Entry) (b *Boot, tried bool) {
	if e.Type() != tree.Regular || e.Hardlink != "" || e.Size == 0 {
		return nil, false
	}
	b = &Boot{Partition: v.Number, Path: "/" + e.Path}
	dir, name := path.Split(strings.ToLower(e.Path))
	dir = strings.TrimPrefix(dir, "boot/")
	ok := true
	switch {
	case efiName(strings.ToLower(e.Path)):
		if ok = b.efi(head(e, maxLoader)); ok {
			b.unify(unified(e))
		}
	case dir == "loader/entries/" && strings.HasSuffix(name, ".conf"):
		b.entry(string(head(e, maxText)))
	case dir == "grub/" && name == "grub.cfg":
		b.Kind, b.Name = "config", "GRUB"
	case dir == "extlinux/" && name == "extlinux.conf":
		b.Kind, b.Name = "config", "extlinux"
		b.extlinux(string(head(e, maxText)))
	case dir == "" && (name == "boot.scr" || name == "boot.scr.uimg"):
		b.Kind, b.Name = "script", "U-Boot"
	case dir == "" && kernelName(name):
		ok = b.kernel(e)
	default:
		return nil, false
	}
	if !ok {
		return nil, true
	}
	return b, true
}

func kernelName(name string) bool {
	for _, p := range []string{"vmlinuz", "vmlinux", "bzimage", "zimage", "image", "uimage", "linux"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// head is the first n bytes of a file, or as many as can be read.
func head(e *tree.Entry, n int64) []byte {
	b := make([]byte, min(e.Size, n))
	k, _ := io.ReadFull(io.NewSectionReader(e.Content, 0, e.Size), b)
	return b[:k]
}

// entry is a file of systemd-boot's menu.
func (b *Boot) entry(text string) {
	b.Kind, b.Name = "entry", "systemd-boot"
	var detail []string
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch value = strings.TrimSpace(value); key {
		case "title":
			b.Name = value
		case "linux", "efi", "initrd", "options", "devicetree":
			detail = append(detail, key+" "+value)
		}
	}
	b.Detail = strings.Join(detail, "\n")
}

// extlinux is u-boot's menu file.
func (b *Boot) extlinux(text string) {
	var detail []string
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.ToLower(key) {
		case "linux", "kernel", "initrd", "fdt", "append":
			detail = append(detail, strings.ToLower(key)+" "+strings.TrimSpace(value))
		}
	}
	b.Detail = strings.Join(detail, "\n")
}

// machines are the architectures of PE files.
var machines = map[uint16]string{0x14c: "ia32", 0x8664: "x64", 0x1c0: "arm", 0x1c2: "arm", 0x1c4: "arm", 0xaa64: "aa64", 0x5064: "riscv64"}

// efi examines an EFI program. It reports whether p is one.
func (b *Boot) efi(p []byte) bool {
	if len(p) < 64 || string(p[:2]) != "MZ" {
		return false
	}
	b.Kind, b.Name = "efi", "EFI program"
	if at := int64(le.Uint32(p[60:])); at+6 <= int64(len(p)) && string(p[at:at+4]) == "PE\x00\x00" {
		b.Arch = machines[le.Uint16(p[at+4:])]
	}
	switch {
	case b.info(p, "systemd-boot"), b.info(p, "systemd-stub"):
	case bytes.Contains(p, []byte("UEFI SHIM")):
		b.Name = "shim"
	case bytes.Contains(p, []byte("grub_efi")) || bytes.Contains(p, []byte("GRUB  version")) || bytes.Contains(p, []byte("(memdisk)/grub")):
		b.Name = "GRUB"
	case len(p) > 0x206 && string(p[0x202:0x206]) == "HdrS":
		b.Name, b.Version = "Linux", bzImageVersion(p)
	}
	return true
}

// info reads name and version from the marker in systemd's loaders.
func (b *Boot) info(p []byte, name string) bool {
	_, rest, ok := bytes.Cut(p, []byte("LoaderInfo: "+name+" "))
	if !ok {
		return false
	}
	version, _, ok := bytes.Cut(rest[:min(len(rest), 64)], []byte(" ####"))
	if b.Name = name; ok {
		b.Version = string(version)
	}
	if bytes.Contains(p[:min(len(p), 4096)], []byte(".linux\x00")) {
		b.Name, b.Detail = unifiedName, name+" "+b.Version
		b.Version = ""
	}
	return true
}

// unify marks a program as a unified kernel image, whatever its stub is.
func (b *Boot) unify(u *UKI) {
	if u == nil {
		return
	}
	if b.Name != unifiedName {
		b.Name, b.Detail, b.Version = unifiedName, "", ""
	}
	b.UKI = u
}

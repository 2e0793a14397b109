// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// maxKernel bounds how much of a kernel is read to find its version, also after
// unpacking.
const maxKernel = 128 << 20

// banner is the text with which the kernel states its version.
var banner = lazyregexp.New(`Linux version ([0-9]+\.[0-9]+[0-9A-Za-z.+~_-]{0,60})[ \x00]`)

// uImage header (u-boot's include/image.h): magic at 0, name of 32 bytes at 32.
const (
	uImageMagic = 0x27051956
	uImageName  = 32
	uImageSize  = 64
)

// bzImage (the kernel's Documentation/arch/x86/boot.rst): "HdrS" at 0x202, and at
// 0x20E the offset of a version string, less 0x200.
const (
	bzMagic   = 0x202
	bzVersion = 0x20E
	bzBase    = 0x200
)

// KernelVersion is the version in a kernel image of size bytes, as uname -r shows
// it, or "" if it is not found. It reads the headers of bzImage and uImage, and
// looks for the kernel's banner in uncompressed and gzipped data.
func KernelVersion(r io.ReaderAt, size int64) string {
	b := make([]byte, max(0, min(size, maxKernel)))
	n, err := r.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return ""
	}
	b = b[:n]
	if v := bzImageVersion(b); v != "" {
		return v
	}
	if v := scan(b); v != "" {
		return v
	}
	return uImageVersion(b)
}

var version = lazyregexp.New(`^[0-9]+\.[0-9]+[0-9A-Za-z.+~_-]{0,60}`)

func bzImageVersion(b []byte) string {
	if len(b) < bzVersion+2 || string(b[bzMagic:bzMagic+4]) != "HdrS" {
		return ""
	}
	at := int(binary.LittleEndian.Uint16(b[bzVersion:])) + bzBase
	if at == bzBase || at >= len(b) {
		return ""
	}
	return string(version().Find(b[at:min(len(b), at+80)]))
}

// uImageVersion is the version in the header's name, which the kernel's own
// makefile sets.
func uImageVersion(b []byte) string {
	if len(b) < uImageSize || binary.BigEndian.Uint32(b) != uImageMagic {
		return ""
	}
	name, ok := bytes.CutPrefix(b[uImageName:uImageSize], []byte("Linux-"))
	if !ok || name[len(name)-1] != 0 { // it may be truncated
		return ""
	}
	return string(version().Find(name))
}

// scan looks for the banner in a kernel that unpacks itself: in its bytes, and in
// gzip streams among them, of which there may be several.
func scan(b []byte) string {
	if m := banner().FindSubmatch(b); m != nil {
		return string(m[1])
	}
	const tries = 16 // what looks like a stream may not be one
	rest, left := b, int64(maxKernel)
	for range tries {
		i := bytes.Index(rest, []byte("\x1f\x8b\x08"))
		if i < 0 || left <= 0 {
			return ""
		}
		plain := unpack(rest[i:], left)
		if m := banner().FindSubmatch(plain); m != nil {
			return string(m[1])
		}
		left -= int64(len(plain))
		rest = rest[i+3:]
	}
	return ""
}

// unpack returns the beginning of a gzip stream, as much as there is.
func unpack(b []byte, limit int64) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	z.Multistream(false)
	out, _ := io.ReadAll(io.LimitReader(z, limit)) // other data may follow, so the end of the stream is not found, which does not matter
	return out
}

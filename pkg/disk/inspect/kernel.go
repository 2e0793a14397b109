// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// maxKernel bounds the decompressed size of a kernel that is searched for its
// version.
const maxKernel = 64 << 20

// kernel says which Linux a file is. It reports whether it is one.
func (b *Boot) kernel(e *tree.Entry) bool {
	p := head(e, 1024)
	if len(p) < 64 {
		return false
	}
	b.Kind, b.Name = "kernel", "Linux"
	content := io.NewSectionReader(e.Content, 0, e.Size)
	switch {
	case len(p) > 0x210 && string(p[0x202:0x206]) == "HdrS":
		b.Detail, b.Arch = "bzImage", "x64"
		b.Version = bzImageVersion(head(e, 64<<10))
	case le.Uint32(p[0x24:]) == 0x016f2818:
		b.Detail, b.Arch = "zImage", "arm"
		b.Version = packedVersion(content)
	case string(p[0x38:0x3c]) == "ARM\x64":
		b.Detail, b.Arch = "Image", "aa64"
		b.Version = banner(content)
	case string(p[0x30:0x35]) == "RISCV":
		b.Detail, b.Arch = "Image", "riscv64"
		b.Version = banner(content)
	case string(p[:2]) == "MZ" && string(p[4:8]) == "zimg": // drivers/firmware/efi/libstub/zboot-header.S
		b.Detail = "EFI zboot"
		b.Version = packedVersion(content)
	case string(p[:2]) == "\x1f\x8b":
		b.Detail = "gzip Image"
		b.Version = packedVersion(content)
	case string(p[:4]) == "\x7fELF":
		b.Detail = "ELF"
		b.Version = banner(content)
	case string(p[:4]) == "\x27\x05\x19\x56":
		b.Detail, b.Version = "uImage", packedVersion(content)
	default:
		return false
	}
	if b.Version == "" { // its compression is not supported: distributions have the version in the name
		_, release, _ := strings.Cut(e.Name(), "-")
		if release != "" && release[0] >= '0' && release[0] <= '9' {
			b.Version = clean(release)
		}
	}
	return true
}

// bzImageVersion is the text to which the header of an x86 kernel points: the
// release, and then who built it (Documentation/arch/x86/boot.rst, kernel_version).
func bzImageVersion(p []byte) string {
	if len(p) < 0x210 {
		return ""
	}
	at := int(le.Uint16(p[0x20e:])) + 0x200
	if at == 0x200 || at >= len(p) {
		return ""
	}
	text := p[at:min(at+256, len(p))]
	version, _, _ := bytes.Cut(text, []byte{0})
	release, _, _ := strings.Cut(string(version), " ")
	return clean(release)
}

// clean removes from a text what could act on a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if terminal.Acts(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// packedVersion searches the gzip stream of a kernel that unpacks itself. Other
// compressions are ignored.
func packedVersion(r io.Reader) string {
	br := bufio.NewReaderSize(io.LimitReader(r, maxKernel), 1<<20)
	for tries := 0; tries < 16; {
		p, err := br.Peek(1 << 16)
		if len(p) < 18 {
			return ""
		}
		i := bytes.Index(p, []byte("\x1f\x8b\x08"))
		if i < 0 {
			if err != nil {
				return ""
			}
			_, _ = br.Discard(len(p) - 2) // buffered
			continue
		}
		_, _ = br.Discard(i)
		tries++
		z, err := gzip.NewReader(br)
		if err != nil {
			continue
		}
		return banner(z)
	}
	return ""
}

// banner finds the text "Linux version RELEASE " that is in every kernel.
func banner(r io.Reader) string {
	mark := []byte("Linux version ")
	br := bufio.NewReaderSize(io.LimitReader(r, maxKernel), 1<<18)
	for {
		p, err := br.Peek(1 << 16)
		if i := bytes.Index(p, mark); i >= 0 && i+len(mark)+128 <= len(p) || i >= 0 && err != nil {
			release, _, _ := bytes.Cut(p[i+len(mark):], []byte(" "))
			if len(release) > 0 && release[0] >= '0' && release[0] <= '9' && len(release) < 128 {
				return clean(string(release))
			}
			_, _ = br.Discard(i + len(mark)) // buffered
			continue
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return ""
		}
		_, _ = br.Discard(max(len(p)-len(mark)-128, 1)) // buffered
	}
}

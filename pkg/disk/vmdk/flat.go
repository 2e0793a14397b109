// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// FlatMagic begins a descriptor that is a file of its own.
const FlatMagic = "# Disk DescriptorFile"

// MaxDescriptor bounds the size of such a file.
const MaxDescriptor = 64 << 10

// FlatDescriptor is the descriptor of a monolithicFlat disk of size bytes,
// rounded up to sectors, whose content is the raw file called extent beside it.
func FlatDescriptor(extent string, size int64, o Options) ([]byte, error) {
	s, err := newShape(size)
	if err != nil {
		return nil, err
	}
	o.Name = extent
	text, err := descriptorText("monolithicFlat", fmt.Sprintf("RW %d FLAT \"%s\" 0", s.capacity, extent), s.capacity, o)
	return []byte(text), err
}

// extentLine is RW SECTORS KIND "NAME" OFFSET, name and offset only with FLAT.
var extentLine = lazyregexp.New(`^(?:RW|RDONLY) ([0-9]{1,15}) (FLAT|VMFS|ZERO)(?: "([^"]*)"(?: ([0-9]{1,15}))?)?$`)

// noParent is the parent's content id in the descriptor of a disk without a parent.
const noParent = "ffffffff"

// standsAlone is an error for the child of another disk: the data that it lacks is
// in its parent, and would be read as zeros here.
func standsAlone(descriptor string) error {
	parent, hint := noParent, ""
	for line := range strings.Lines(descriptor) {
		name, value, _ := strings.Cut(line, "=")
		switch value = strings.Trim(strings.TrimSpace(value), `"`); strings.ToLower(strings.TrimSpace(name)) {
		case "parentcid":
			parent = value
		case "parentfilenamehint":
			hint = fmt.Sprintf(" (%q)", value)
		}
	}
	if strings.EqualFold(parent, noParent) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrFormat, damage.Unreadf("it is the child of another disk%s, whose content is not in it: merge them, as with qemu-img convert", hint))
}

// OpenFlat reads a descriptor whose extents are raw files, as in monolithicFlat and
// twoGbMaxExtentFlat. open opens a file in the same directory; names with a slash
// are refused.
func OpenFlat(descriptor string, open func(name string) (r io.ReaderAt, size int64, err error)) (*image.Image, error) {
	if !strings.HasPrefix(descriptor, FlatMagic) {
		return nil, fmt.Errorf("%w: no descriptor", ErrFormat)
	}
	if err := standsAlone(descriptor); err != nil {
		return nil, err
	}
	var extents []image.Extent
	size := int64(0)
	for line := range strings.Lines(descriptor) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "RW ") && !strings.HasPrefix(line, "RDONLY ") {
			continue
		}
		m := extentLine().FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, damage.Unreadf("extent %q is not a flat one", line))
		}
		n, _ := strconv.ParseInt(m[1], 10, 64) // 15 digits fit
		from, _ := strconv.ParseInt(m[4], 10, 64)
		if n == 0 || n > 1<<46/sectorSize || size > 1<<46-n*sectorSize || from > 1<<46/sectorSize {
			return nil, fmt.Errorf("%w: extent of %d sectors", ErrFormat, n)
		}
		if m[2] != "ZERO" {
			x := image.Extent{Off: size, Len: n * sectorSize, SrcOff: from * sectorSize}
			if m[3] == "" || strings.ContainsAny(m[3], "/\\\x00") || m[3] == "." || m[3] == ".." {
				return nil, fmt.Errorf("%w: extent %q names no file beside the descriptor", ErrFormat, m[3])
			}
			src, have, err := open(m[3])
			if err != nil {
				return nil, err
			}
			if have < x.SrcOff+x.Len {
				return nil, fmt.Errorf("%w: %s has %d bytes, %d are wanted", ErrFormat, m[3], have, x.SrcOff+x.Len)
			}
			x.Src = src
			extents = append(extents, x)
		}
		size += n * sectorSize
	}
	if size == 0 {
		return nil, fmt.Errorf("%w: no extent", ErrFormat)
	}
	return image.New(size, extents)
}

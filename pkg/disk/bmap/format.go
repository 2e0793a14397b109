// SPDX-License-Identifier: MPL-2.0

package bmap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// noSum stands in place of the text's checksum while that is computed.
var noSum = strings.Repeat("0", 64)

// text is the map as XML. Its checksum is that of the text itself with zeros in
// place of the checksum.
func (m *Map) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<?xml version=\"1.0\" ?>\n<bmap version=\"2.0\">\n")
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"ImageSize", m.Size}, {"BlockSize", m.BlockSize}, {"BlocksCount", m.Blocks()}, {"MappedBlocksCount", m.Mapped()},
	} {
		fmt.Fprintf(&b, "    <%s> %d </%s>\n", v.name, v.value, v.name)
	}
	fmt.Fprintf(&b, "    <ChecksumType> sha256 </ChecksumType>\n    <BmapFileChecksum> %s </BmapFileChecksum>\n    <BlockMap>\n", noSum)
	for _, r := range m.Ranges {
		fmt.Fprintf(&b, "        <Range chksum=\"%x\"> %s </Range>\n", r.SHA256, r)
	}
	b.WriteString("    </BlockMap>\n</bmap>\n")
	sum := sha256.Sum256(b.Bytes())
	return bytes.Replace(b.Bytes(), []byte(noSum), []byte(hex.EncodeToString(sum[:])), 1)
}

// String is FIRST-LAST, or a single number.
func (r Range) String() string {
	if r.First == r.Last {
		return strconv.FormatInt(r.First, 10)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

var (
	field = lazyregexp.New(`<(ImageSize|BlockSize|BlocksCount|MappedBlocksCount|ChecksumType|BmapFileChecksum)>\s*([0-9A-Za-z]{1,64})\s*</`)
	entry = lazyregexp.New(`<Range chksum="([0-9a-f]{64})"\s*>\s*([0-9]{1,15})(?:-([0-9]{1,15}))?\s*</Range>`)
)

// maxText bounds a map's text: a line with a range for every other block of 16 GiB.
const maxText = 256 << 20

// Parse parses a map of version 2.0 with SHA-256 checksums, and verifies the map's
// own checksum.
func Parse(r io.Reader) (*Map, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxText || !bytes.Contains(text, []byte(`<bmap version="2.0">`)) {
		return nil, fmt.Errorf("%w: no <bmap version=\"2.0\">", ErrFormat)
	}
	fields := map[string]string{}
	for _, f := range field().FindAllSubmatch(text, 7) {
		fields[string(f[1])] = string(f[2])
	}
	if t := fields["ChecksumType"]; t != "sha256" {
		return nil, fmt.Errorf("%w: checksums are %q, not sha256", ErrFormat, t)
	}
	if err := checkSum(text, fields["BmapFileChecksum"]); err != nil {
		return nil, err
	}
	m := &Map{}
	m.Size, _ = strconv.ParseInt(fields["ImageSize"], 10, 64)
	m.BlockSize, _ = strconv.ParseInt(fields["BlockSize"], 10, 64)
	if m.Size <= 0 || m.Size > 1<<50 || m.BlockSize < 512 || m.BlockSize > 1<<30 {
		return nil, fmt.Errorf("%w: disk of %s bytes, blocks of %s", ErrFormat, fields["ImageSize"], fields["BlockSize"])
	}
	if err := m.parseRanges(text); err != nil {
		return nil, err
	}
	if n, err := strconv.ParseInt(fields["MappedBlocksCount"], 10, 64); err != nil || n != m.Mapped() {
		return nil, fmt.Errorf("%w: %d blocks are mapped, and it says %q", ErrFormat, m.Mapped(), fields["MappedBlocksCount"])
	}
	return m, nil
}

func checkSum(text []byte, want string) error {
	if len(want) != 64 {
		return fmt.Errorf("%w: no checksum of itself", ErrFormat)
	}
	sum := sha256.Sum256(bytes.Replace(text, []byte(want), []byte(noSum), 1))
	if got := hex.EncodeToString(sum[:]); got != want {
		return fmt.Errorf("%w: its SHA-256 is %s, it says %s", ErrFormat, got, want)
	}
	return nil
}

func (m *Map) parseRanges(text []byte) error {
	next := int64(0)
	for _, f := range entry().FindAllSubmatch(text, -1) {
		first, _ := strconv.ParseInt(string(f[2]), 10, 64) // 15 digits fit
		last := first
		if len(f[3]) > 0 {
			last, _ = strconv.ParseInt(string(f[3]), 10, 64)
		}
		if first < next || last < first || last >= m.Blocks() {
			return fmt.Errorf("%w: range %s of %d blocks", ErrFormat, f[2], m.Blocks())
		}
		r := Range{First: first, Last: last}
		if _, err := hex.Decode(r.SHA256[:], f[1]); err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		m.Ranges = append(m.Ranges, r)
		next = last + 1
	}
	return nil
}

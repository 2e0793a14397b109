// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// isSparse reports whether a member is a sparse file, in one of the formats that
// archive/tar reads: GNU's old one, PAX 0.0, 0.1 and 1.0.
func isSparse(h *tar.Header) (bool, error) {
	const prefix = "GNU.sparse."
	version := h.PAXRecords[prefix+"major"] + "." + h.PAXRecords[prefix+"minor"]
	switch {
	case h.Typeflag == tar.TypeGNUSparse, version == "1.0", version == "0.0", version == "0.1":
		return true, nil
	case version != ".":
		return false, fmt.Errorf("sparse file of version %.20q", version)
	case h.PAXRecords[prefix+"map"] != "":
		return true, nil
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, prefix) {
			return false, errors.New("sparse file without a table of its ranges")
		}
	}
	return false, nil
}

// sparseFile writes a file with holes. Its bytes in the stream differ from the file's,
// so the tar record has them itself. Holes take time, too: there is a limit for all
// such files together.
func (x *extractor) sparseFile(ctx context.Context, f *os.File, h *tar.Header, content io.Reader) error {
	if h.Size > x.Limits.LayerBytes-x.sparse {
		return fmt.Errorf("sparse files of more than %d bytes", x.Limits.LayerBytes)
	}
	x.sparse += h.Size
	zeros := make([]byte, len(x.buf))
	sum := uint32(0)
	for off := int64(0); ; {
		n, err := io.ReadFull(content, x.buf)
		if n > 0 && !bytes.Equal(x.buf[:n], zeros[:n]) {
			if _, err := f.WriteAt(x.buf[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
		sum = crc32.Update(sum, castagnoli, x.buf[:n])
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF && off == h.Size:
			if err := f.Truncate(h.Size); err != nil || h.Size == 0 {
				return err
			}
			var st unix.Stat_t
			if err := unix.Fstat(int(f.Fd()), &st); err != nil {
				return err
			}
			x.sums[st.Ino] = sum
			return nil
		case err != nil:
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

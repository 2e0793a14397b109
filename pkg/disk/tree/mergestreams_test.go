// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestMergeStreams(t *testing.T) {
	good := pack(t, reg("a", "some content"), reg("b", "more"))
	huge := pack(t, reg("s", ""))
	huge[156] = 'S' // an old GNU sparse member of 8 EiB
	copy(huge[257:], "ustar  \x00")
	copy(huge[386:], "00000000000\x0000000000000\x00")
	copy(huge[483:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff")
	seal(huge)
	long := pack(t, reg("a", "x"))
	copy(long[124:], "77777777777\x00") // 8 GiB that do not exist
	seal(long)
	tests := []struct {
		name string
		in   []byte
		err  string
	}{
		{"9c trailing bytes", append(bytes.Clone(good), "garbage that is part of the digest"...), ""},
		{"9d cut in a header", good[:300], "unexpected EOF"},
		{"9d cut in content", good[:517], "unexpected EOF"},
		{"9d content longer than the stream", long, "unexpected EOF"},
		{"no end", good[:1024], ""},
		{"empty", nil, ""},
		{"noise", bytes.Repeat([]byte("noise"), 500), "invalid tar header"},
		{"8e sparse, 8 EiB", huge, ""},
		{"8d huge PAX header", pack(t, with(reg("a", ""), func(h *tar.Header) { h.PAXRecords = map[string]string{"comment": strings.Repeat("x", 900<<10)} })), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Merge(t.Context(), asLayers(tt.in), 0, 1)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Merge(ctx, asLayers(good), 0, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// seal writes the right checksum into a tar header.
func seal(b []byte) {
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
}

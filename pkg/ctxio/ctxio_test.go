// SPDX-License-Identifier: MPL-2.0

package ctxio

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out strings.Builder
	r, w := Reader(ctx, strings.NewReader("some text")), Writer(ctx, &out)
	if n, err := io.CopyN(w, r, 4); n != 4 || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	cancel()
	if n, err := r.Read(make([]byte, 4)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("read %d bytes after the end: %v", n, err)
	}
	if n, err := w.Write([]byte("more")); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("wrote %d bytes after the end: %v", n, err)
	}
	if out.String() != "some" {
		t.Errorf("got %q", out.String())
	}
}

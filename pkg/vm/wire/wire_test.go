// SPDX-License-Identifier: MPL-2.0

package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	c := New(&b)
	sent := []struct {
		kind    Kind
		payload string
	}{{Ready, ""}, {Stdout, "hello"}, {Stdin, string(make([]byte, MaxPayload))}, {StdinEnd, ""}}
	for _, f := range sent {
		if err := c.Send(f.kind, []byte(f.payload)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range sent {
		if kind, payload, err := c.Receive(); kind != f.kind || string(payload) != f.payload || err != nil {
			t.Errorf("%q of %d bytes, %v; want %q of %d", kind, len(payload), err, f.kind, len(f.payload))
		}
	}
	if _, _, err := c.Receive(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if err := c.Send(Stdin, make([]byte, MaxPayload+1)); err == nil {
		t.Error("a frame that is too large was sent")
	}
}

func TestBroken(t *testing.T) {
	for name, in := range map[string]string{
		"too large": "o\xff\xff\xff\xff", "cut": "o\x00\x00\x00\x05abc", "header cut": "o\x00\x00",
	} {
		_, _, err := New(bytes.NewBufferString(in)).Receive()
		if err == nil || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "with a length of") != (name == "too large") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReceive: whatever arrives, a received frame encodes to the same bytes.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("R\x00\x00\x00\x00o\x00\x00\x00\x01x"))
	f.Add([]byte("X\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		from, to := New(bytes.NewBuffer(bytes.Clone(in))), New(&out)
		for {
			kind, payload, err := from.Receive()
			if err != nil {
				break
			}
			if err := to.Send(kind, payload); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(in, out.Bytes()) {
			t.Errorf("%q became %q", in, out.Bytes())
		}
	})
}

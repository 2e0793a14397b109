// SPDX-License-Identifier: MPL-2.0

package nbd

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// memory is a device in memory.
type memory struct {
	mu       sync.Mutex
	b        []byte
	readOnly bool
	fail     error
}

func (m *memory) Size() int64    { return int64(len(m.b)) }
func (m *memory) ReadOnly() bool { return m.readOnly }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.NewReader(m.b).ReadAt(p, off)
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) Zero(off, n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.b[off : off+n])
	return nil
}

// tool finds a program of qemu-utils. Without it, the test is skipped, or fails if tools are
// required.
func tool(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return p
}

// serve serves a device on a socket, to one client after another.
func serve(t *testing.T, m *memory) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nbd") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "s")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if err := Serve(conn, m); err != nil {
				t.Error(err)
			}
			conn.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
		_ = os.RemoveAll(dir)
	})
	return "nbd+unix:///?socket=" + name
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// QEMU's client reads, writes, zeroes and discards.
func TestQEMU(t *testing.T) {
	m := &memory{b: make([]byte, 3<<20+512)}
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(m.b)
	want := bytes.Clone(m.b)
	url := serve(t, m)
	var info struct {
		Size int64 `json:"virtual-size"`
	}
	if err := json.Unmarshal([]byte(run(t, "qemu-img", "info", "--output=json", url)), &info); err != nil || info.Size != m.Size() {
		t.Errorf("size %d, %v, want %d", info.Size, err, m.Size())
	}
	copied := filepath.Join(t.TempDir(), "copy")
	run(t, "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", "-t", "writeback", "--target-is-zero", url, touch(t, copied, m.Size()))
	if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, want) {
		t.Errorf("qemu-img reads something else, %v", err)
	}
	out := run(t, "qemu-io", "-f", "raw", "-c", "write -P 0xa5 4096 70000", "-c", "write -z 200704 8192", "-c", "discard 1048576 4096",
		"-c", "read -P 0xa5 4096 70000", "-c", "read -P 0 200704 8192", "-c", "write -f -P 0x5a 3145728 512", "-c", "flush", url)
	if strings.Contains(out, "error") || strings.Contains(out, "failed") {
		t.Error(out)
	}
	for _, x := range []struct{ off, n, with int }{{4096, 70000, 0xa5}, {200704, 8192, 0}, {1048576, 4096, 0}, {3145728, 512, 0x5a}} {
		copy(want[x.off:], bytes.Repeat([]byte{byte(x.with)}, x.n))
	}
	if !bytes.Equal(m.b, want) {
		t.Error("what qemu-io has written is not what is there")
	}
}

func touch(t *testing.T, name string, size int64) string {
	t.Helper()
	f, err := os.Create(name)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestQEMURefused(t *testing.T) {
	for name, m := range map[string]*memory{"Permission denied": {b: make([]byte, 1<<20), readOnly: true}, "No space left": {b: make([]byte, 1<<20), fail: syscall.ENOSPC}} {
		out, _ := exec.CommandContext(t.Context(), tool(t, "qemu-io"), "-f", "raw", "-c", "write 0 4096", serve(t, m)).CombinedOutput()
		if !strings.Contains(string(out), name) {
			t.Errorf("want %q: %s", name, out)
		}
	}
}

// TestLibnbd uses another client.
func TestLibnbd(t *testing.T) {
	m := &memory{b: make([]byte, 1<<20)}
	out := run(t, "nbdinfo", serve(t, m))
	for _, want := range []string{"newstyle-fixed", "1048576", "can_zero: true", "can_trim: true"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

// A client that breaks the protocol is refused; one that goes away is not an error.
func TestClients(t *testing.T) {
	be := binary.BigEndian
	hello := be.AppendUint32(nil, flagFixedNewstyle|flagNoZeroes)
	opt := func(n uint32, data []byte) []byte {
		b := be.AppendUint32(be.AppendUint32(be.AppendUint64(nil, magicOption), n), uint32(len(data)))
		return append(b, data...)
	}
	export := opt(optExportName, nil)
	req := func(kind uint16, off uint64, n uint32) []byte {
		b := be.AppendUint16(be.AppendUint16(be.AppendUint32(nil, magicRequest), 0), kind)
		return be.AppendUint32(be.AppendUint64(be.AppendUint64(b, 7), off), n)
	}
	for name, c := range map[string]struct {
		in  [][]byte
		bad bool
	}{
		"nothing":            {nil, false},
		"other flags":        {[][]byte{{0, 0, 0, 9}}, true},
		"abort":              {[][]byte{hello, opt(optAbort, nil)}, false},
		"unknown option":     {[][]byte{hello, opt(77, []byte("x")), opt(optAbort, nil)}, false},
		"huge option":        {[][]byte{hello, be.AppendUint32(be.AppendUint32(be.AppendUint64(nil, magicOption), 1), 1<<31)}, true},
		"no option":          {[][]byte{hello, make([]byte, 16)}, true},
		"disconnects":        {[][]byte{hello, export, req(cmdDisconnect, 0, 0)}, false},
		"goes in a request":  {[][]byte{hello, export, req(cmdWrite, 0, 4096)}, false},
		"no request":         {[][]byte{hello, export, make([]byte, 28)}, true},
		"reads too much":     {[][]byte{hello, export, req(cmdRead, 0, 1<<31)}, true},
		"beyond the end":     {[][]byte{hello, export, req(cmdRead, 1<<63, 10), req(cmdDisconnect, 0, 0)}, false},
		"an unknown request": {[][]byte{hello, export, req(99, 0, 10), req(cmdDisconnect, 0, 0)}, false},
	} {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		go func() {
			_, _ = theirs.Write(bytes.Join(c.in, nil))
			theirs.Close()
		}()
		err := Serve(ours, &memory{b: make([]byte, 100)})
		if errors.Is(err, io.ErrClosedPipe) { // from net.Pipe: the client has gone
			err = nil
		}
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		}
		ours.Close()
	}
}

// FuzzServe: no client makes the server panic or hang, or reaches beyond the device.
func FuzzServe(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x03IHAVEOPT\x00\x00\x00\x01\x00\x00\x00\x00\x25\x60\x95\x13\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04abcd"))
	f.Fuzz(func(_ *testing.T, in []byte) {
		_ = Serve(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(in), io.Discard}, &memory{b: make([]byte, 1000)})
	})
}

// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/carosio/carosbuild/pkg/binfmt"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/vm/wire"
	"golang.org/x/sys/unix"
)

// conn is the connection to the host; several goroutines send.
type conn struct {
	*wire.Conn
	mu sync.Mutex
}

func (c *conn) Send(k wire.Kind, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.Send(k, payload)
}

func (c *conn) SendValue(k wire.Kind, v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SendValue(k, v)
}

// session runs the command that the host asks for.
func session(w *wire.Conn) error {
	c := &conn{Conn: w}
	if err := c.Send(wire.Ready, nil); err != nil {
		return err
	}
	kind, payload, err := c.Receive()
	if err != nil {
		return err
	}
	var r wire.Request
	if kind != wire.Start {
		return fmt.Errorf("the host begins with a frame of kind %q", kind)
	}
	if err := json.Unmarshal(payload, &r); err != nil {
		return err
	}
	if err := c.SendValue(wire.Exit, carryOut(c, &r)); err != nil {
		return err
	}
	var end wire.End
	if err := errors.Join(unmountDisk(mountsOuter, mountsDir), unmountDisk(rootOuter, rootDir)); err != nil {
		end.Error = err.Error()
	}
	return c.SendValue(wire.Done, end)
}

// carryOut mounts the disks and runs the command.
func carryOut(c *conn, r *wire.Request) wire.Result {
	fail := func(err error) wire.Result { return wire.Result{Error: err.Error()} }
	if err := mountDisk(rootDisk, rootOuter, rootDir, 0); err != nil {
		return fail(err)
	}
	if len(r.Mounts) > 0 {
		if err := mountDisk(mountsDisk, mountsOuter, mountsDir, unix.MS_NOSUID|unix.MS_NODEV); err != nil {
			return fail(err)
		}
	}
	if err := connect(r.Network, r.Forward); err != nil {
		return fail(fmt.Errorf("network: %w", err))
	}
	if err := unix.Sethostname([]byte(r.Hostname)); err != nil {
		return fail(err)
	}
	if err := emulate(r.Emulate); err != nil {
		return fail(err)
	}
	p := &sandbox.Planted{}
	if r.Plant {
		var err error
		if p, err = sandbox.Plant(rootDir, planted(r.Mounts), nil); err != nil {
			return fail(err)
		}
	}
	status, over, err := command(c, r)
	res := wire.Result{Status: status, Over: over}
	if err != nil {
		res.Error = err.Error()
	}
	err = p.Remove(rootDir, func(path string) error {
		res.Revert = append(res.Revert, strings.Trim(path, "/"))
		return nil
	})
	if err != nil && res.Error == "" {
		res.Error = err.Error()
	}
	return res
}

func planted(mounts []wire.Mount) []sandbox.Mount {
	out := make([]sandbox.Mount, len(mounts))
	for i, m := range mounts {
		out[i] = sandbox.Mount{Source: mountsDir + "/" + m.Source, Target: m.Target}
	}
	return out
}

// emulate makes programs of another architecture run, with the emulator in the initial RAM
// disk.
func emulate(arch string) error {
	if arch == "" {
		return nil
	}
	e := binfmt.Emulators{Scratch: "/run"}
	return e.Emulate(context.Background(), arch) // the host can end the machine
}

// pump sends what a command prints. A terminal ends with an error, EIO.
func (c *conn) pump(k wire.Kind, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && c.Send(k, buf[:n]) != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

// listen passes on the host's frames. Only one frame of standard input is under way at a
// time, so the channel has room for it.
func (c *conn) listen(stdin chan<- []byte, tty *os.File) {
	defer close(stdin)
	ended := false
	for {
		kind, payload, err := c.Receive()
		if err != nil {
			return
		}
		switch kind {
		case wire.Stdin:
			if !ended {
				stdin <- append([]byte{}, payload...)
			}
		case wire.StdinEnd:
			if !ended {
				stdin <- nil
			}
			ended = true
		case wire.Resize:
			var w wire.Window
			if tty != nil && json.Unmarshal(payload, &w) == nil {
				_ = unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: w.Rows, Col: w.Cols})
			}
		}
	}
}

// feed writes the command's standard input until the input ends.
func (c *conn) feed(stdin <-chan []byte, to io.Writer, end func()) {
	for b := range stdin {
		if b == nil {
			end()
			continue
		}
		_, _ = to.Write(b) // the command may not read
		if c.Send(wire.Taken, nil) != nil {
			return
		}
	}
}

// SPDX-License-Identifier: MPL-2.0

// Package wire is what a virtual machine and the process that started it say to each
// other: frames over a byte stream.
//
// The guest begins with Ready. The host sends Start, the guest starts the command and
// sends what it prints, Exit when it has ended, and Done when its disks are written and
// no longer in use. One frame of standard input is under way at a time: the guest answers
// each with Taken, so that a command which does not read never keeps the guest from hearing.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// Kind is what a frame is.
type Kind byte

// From the guest, and from the host.
const (
	Ready  Kind = 'R'
	Stdout Kind = 'o'
	Stderr Kind = 'e'
	Taken  Kind = 't' // the last frame of Stdin
	Exit   Kind = 'X' // Result
	Done   Kind = 'D' // End

	Start    Kind = 'S' // Request
	Stdin    Kind = 'i'
	StdinEnd Kind = 'I'
	Resize   Kind = 'w' // Window
)

// MaxPayload is the most that a frame carries, in bytes.
const MaxPayload = 1 << 20

// Port is the name of the virtio-serial port.
const Port = "carosbuild"

// Request is a command for the guest.
type Request struct {
	Args     []string
	Env      []string
	Cwd      string
	UID, GID uint32
	Groups   []uint32
	Mounts   []Mount
	Network  bool
	Terminal bool
	Window   Window
	Plant    bool // mount points and files that the root lacks
	Hostname string
	Emulate  string // architecture of foreign programs, "" for none
	Memory   int64  // bytes that its processes may use together; 0 is the machine's
	PIDs     int64  // processes and threads at a time; 0 is what the machine can have
	Forward  uint16 // port of the host's loopback that the command reaches, 0 for none
}

// Mount is a directory or a file of the second disk that the command sees.
type Mount struct {
	Source   string // path on the second disk, without a leading slash
	Target   string // absolute
	ReadOnly bool
}

// Window is the size of a terminal in characters.
type Window struct{ Rows, Cols uint16 }

// Result is how a command ended.
type Result struct {
	Status int
	Over   string   // limit that it exceeded and was ended for, in words
	Error  string   // why the command did not come about
	Revert []string // paths of the root that were planted and are as they were
}

// End says that the disks are written.
type End struct{ Error string }

// Conn sends and receives frames. One goroutine may write while another one reads.
type Conn struct {
	rw  io.ReadWriter
	buf []byte
}

// New is a connection over a byte stream.
func New(rw io.ReadWriter) *Conn { return &Conn{rw: rw} }

const header = 5 // a kind, and the length of the payload as a big-endian number

// Send sends a frame.
func (c *Conn) Send(k Kind, payload []byte) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("a frame of %d bytes", len(payload))
	}
	b := make([]byte, 0, header+len(payload))
	b = binary.BigEndian.AppendUint32(append(b, byte(k)), uint32(len(payload)))
	_, err := c.rw.Write(append(b, payload...))
	return err
}

// SendValue sends a frame with a value as JSON.
func (c *Conn) SendValue(k Kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Send(k, b)
}

// Receive waits for a frame. Its payload is valid until the next call.
func (c *Conn) Receive() (Kind, []byte, error) {
	var h [header]byte
	if _, err := io.ReadFull(c.rw, h[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(h[1:])
	if n > MaxPayload {
		return 0, nil, fmt.Errorf("a frame of kind %q with a length of %d bytes", h[0], n)
	}
	if int(n) > cap(c.buf) {
		c.buf = make([]byte, n)
	}
	if _, err := io.ReadFull(c.rw, c.buf[:n]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return Kind(h[0]), c.buf[:n], nil
}

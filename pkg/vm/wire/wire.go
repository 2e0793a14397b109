// SPDX-License-Identifier: MPL-2.0

// Package wire is the protocol between a virtual machine and the process that started it:
// frames over a byte stream.
//
// The guest begins with Ready. The host sends Start. The guest starts the command and sends
// its output, Exit when it has ended, and Done when the disks are written and no longer in
// use. Only one frame of standard input is under way at a time: the guest answers each with
// Taken, so that a command that does not read never keeps the guest from receiving.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// Kind is the kind of a frame.
type Kind byte

// Frames from the guest, then from the host.
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

// MaxPayload is the largest payload of a frame, in bytes.
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
	Plant    bool // make mount points and files that the root lacks
	Hostname string
	Emulate  string // architecture of foreign programs, "" for none
	Memory   int64  // bytes that its processes may use together; 0 is the machine's
	PIDs     int64  // processes and threads at a time; 0 is what the machine can have
	Forward  uint16 // port on the host's loopback that the command can reach, 0 for none
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
	Over   string   // the limit for which it was ended, in words
	Error  string   // why the command was not started
	Revert []string // paths of the root that were planted and are unchanged
}

// End reports that the disks are written.
type End struct{ Error string }

// Conn sends and receives frames. One goroutine may send while another receives.
type Conn struct {
	rw  io.ReadWriter
	buf []byte
}

// New returns a connection over a byte stream.
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

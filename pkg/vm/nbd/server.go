// SPDX-License-Identifier: MPL-2.0

package nbd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// Device is the device to serve. Several requests use it at a time.
type Device interface {
	io.ReaderAt
	io.WriterAt
	// Zero makes n bytes at off read as zeros.
	Zero(off, n int64) error
	Size() int64 // bytes
	ReadOnly() bool
}

const (
	maxOption = 8 << 10  // bytes of an option's data
	maxLength = 32 << 20 // bytes that a request reads or writes
	atATime   = 8        // concurrent requests
)

// Serve serves a device until the client disconnects or closes the connection, which is not
// an error, or breaks the protocol. Flushing does nothing: a device is as durable as the
// process that serves it. The caller closes the connection, which ends Serve, too.
func Serve(conn io.ReadWriter, d Device) error {
	s := &server{conn: conn, device: d}
	err := s.handshake()
	if err == nil {
		err = s.transmit()
	}
	for _, end := range []error{errEnd, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		if errors.Is(err, end) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("nbd: %w", err)
	}
	return nil
}

var errEnd = errors.New("the client has disconnected")

type server struct {
	conn   io.ReadWriter
	device Device
	mu     sync.Mutex // held while writing to conn
}

// send writes values in network byte order, in one write.
func (s *server) send(values ...any) error {
	var b bytes.Buffer
	for _, v := range values {
		if err := binary.Write(&b, binary.BigEndian, v); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.Write(b.Bytes())
	return err
}

func (s *server) flags() uint16 {
	flags := uint16(exportHasFlags | exportFlush | exportFUA)
	if s.device.ReadOnly() {
		return flags | exportReadOnly
	}
	return flags | exportTrim | exportWriteZeroes
}

// handshake answers options until the client has chosen the export.
func (s *server) handshake() error {
	if err := s.send(uint64(magicServer), uint64(magicOption), uint16(flagFixedNewstyle|flagNoZeroes)); err != nil {
		return err
	}
	var flags uint32
	if err := binary.Read(s.conn, binary.BigEndian, &flags); err != nil {
		return err
	}
	if flags&^(flagFixedNewstyle|flagNoZeroes) != 0 || flags&flagFixedNewstyle == 0 {
		return fmt.Errorf("handshake: the client has flags %#x", flags)
	}
	for {
		var o option
		if err := binary.Read(s.conn, binary.BigEndian, &o); err != nil {
			return err
		}
		if o.Magic != magicOption || o.Length > maxOption {
			return fmt.Errorf("handshake: an option with magic %#x and %d bytes", o.Magic, o.Length)
		}
		data := make([]byte, o.Length)
		if _, err := io.ReadFull(s.conn, data); err != nil {
			return err
		}
		done, err := s.choose(o.Option, data, flags&flagNoZeroes != 0)
		if done || err != nil {
			return err
		}
	}
}

// choose answers an option, and reports whether the client goes on to requests.
func (s *server) choose(option uint32, data []byte, noZeroes bool) (done bool, err error) {
	switch option {
	case optExportName:
		pad := make([]byte, 124)
		if noZeroes {
			pad = nil
		}
		return true, s.send(s.device.Size(), s.flags(), pad)
	case optAbort:
		return false, errors.Join(s.answer(option, answerAck, nil), errEnd)
	case optList:
		if err := s.answer(option, answerServer, make([]byte, 4)); err != nil { // one export, without a name
			return false, err
		}
		return false, s.answer(option, answerAck, nil)
	case optInfo, optGo:
		if len(data) < 6 {
			return false, s.answer(option, answerInvalid, nil)
		}
		info := binary.BigEndian.AppendUint16(nil, infoExport)
		info = binary.BigEndian.AppendUint64(info, uint64(s.device.Size()))
		info = binary.BigEndian.AppendUint16(info, s.flags())
		sizes := binary.BigEndian.AppendUint16(nil, infoBlockSize)
		for _, n := range []uint32{1, 4096, maxLength} {
			sizes = binary.BigEndian.AppendUint32(sizes, n)
		}
		for _, b := range [][]byte{info, sizes} {
			if err := s.answer(option, answerInfo, b); err != nil {
				return false, err
			}
		}
		return option == optGo, s.answer(option, answerAck, nil)
	}
	return false, s.answer(option, answerUnsup, nil)
}

func (s *server) answer(option, kind uint32, data []byte) error {
	return s.send(answer{magicAnswer, option, kind, uint32(len(data))}, data)
}

// transmit answers requests. When it returns, no request is being answered any more.
func (s *server) transmit() (err error) {
	var g errgroup.Group
	g.SetLimit(atATime)
	defer func() {
		if e := g.Wait(); err == nil || errors.Is(err, errEnd) && e != nil {
			err = e
		}
	}()
	for {
		var r request
		if err := binary.Read(s.conn, binary.BigEndian, &r); err != nil {
			return err
		}
		switch {
		case r.Magic != magicRequest:
			return fmt.Errorf("a request with magic %#x", r.Magic)
		case r.Type == cmdDisconnect:
			return errEnd
		case (r.Type == cmdRead || r.Type == cmdWrite) && r.Length > maxLength:
			return fmt.Errorf("a request for %d bytes", r.Length)
		}
		var data []byte
		if r.Type == cmdWrite {
			data = make([]byte, r.Length)
			if _, err := io.ReadFull(s.conn, data); err != nil {
				return err
			}
		}
		g.Go(func() error { return s.serve(r, data) })
	}
}

// serve answers a request.
func (s *server) serve(r request, data []byte) error {
	out, err := s.do(r, data)
	var number syscall.Errno
	switch {
	case err == nil:
		return s.send(reply{magicReply, 0, r.Handle}, out)
	case errors.Is(err, errInvalid):
		number = errnoInval
	case errors.Is(err, syscall.EPERM):
		number = errnoPerm
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		number = errnoSpace
	default:
		number = errnoIO
	}
	return s.send(reply{magicReply, uint32(number), r.Handle})
}

var errInvalid = errors.New("invalid request")

// do executes a request.
func (s *server) do(r request, data []byte) ([]byte, error) {
	size := uint64(s.device.Size())
	if r.Type != cmdFlush && (r.Offset > size || uint64(r.Length) > size-r.Offset) {
		return nil, errInvalid
	}
	off, n := int64(r.Offset), int64(r.Length)
	switch r.Type {
	case cmdRead:
		out := make([]byte, n)
		if k, err := s.device.ReadAt(out, off); int64(k) < n {
			return nil, err
		}
		return out, nil
	case cmdFlush:
		return nil, nil
	case cmdWrite, cmdTrim, cmdWriteZeroes:
		if s.device.ReadOnly() {
			return nil, syscall.EPERM
		}
		if r.Type == cmdWrite {
			_, err := s.device.WriteAt(data, off)
			return nil, err
		}
		return nil, s.device.Zero(off, n)
	}
	return nil, errInvalid
}

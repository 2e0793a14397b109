// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"io"
	"math"
	"net"
	"sync"
	"time"
)

// listener has a limit of connections: more wait in the kernel.
type listener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newListener(l net.Listener) *listener {
	return &listener{Listener: l, slots: make(chan struct{}, maxConns), closed: make(chan struct{})}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	plain := &conn{Conn: c, release: func() { <-l.slots }}
	if t, ok := c.(*net.TCPConn); ok {
		return &tcpConn{conn: plain, tcp: t}, nil
	}
	return plain, nil
}

// conn gives back its slot when it is closed, and has time to write that grows
// with what is written: a large file may take hours, a client that takes
// nothing may not.
type conn struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *conn) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}

func (c *conn) Write(p []byte) (n int, err error) {
	for {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(chunkTime)); err != nil {
			return n, err
		}
		k, err := c.Conn.Write(p[n:min(len(p), n+chunk)])
		if n += k; err != nil || n == len(p) {
			return n, err
		}
	}
}

// tcpConn is a conn that the kernel can send files to.
type tcpConn struct {
	*conn
	tcp *net.TCPConn
}

// ReadFrom implements io.ReaderFrom, which net/http sends files with: without
// it, every byte would be copied through this process.
func (c *tcpConn) ReadFrom(r io.Reader) (n int64, err error) {
	left := int64(math.MaxInt64)
	if l, ok := r.(*io.LimitedReader); ok { // only one around a file is known to be sendable
		r, left = l.R, l.N
		defer func() { l.N -= n }()
	}
	for n < left {
		if err := c.tcp.SetWriteDeadline(time.Now().Add(chunkTime)); err != nil {
			return n, err
		}
		k, err := c.tcp.ReadFrom(&io.LimitedReader{R: r, N: min(chunk, left-n)})
		if n += k; err != nil || k == 0 {
			return n, err
		}
	}
	return n, nil
}

// SPDX-License-Identifier: MPL-2.0

// Package serve offers builds to browsers and to programs that download:
// pages, disks, artifacts, packages, logs. It only reads. Every address it
// answers is worked out before the first request; a request is looked up among
// them and never made into a path.
package serve

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Limits against clients that are slow, or many.
const (
	maxConns   = 256
	headerTime = 10 * time.Second
	idleTime   = 60 * time.Second
	maxHeader  = 16 << 10
	// A client that takes less than a chunk in this time is given up.
	chunk     = 1 << 20
	chunkTime = 60 * time.Second
	// What is under way when the server is told to end has this long.
	endTime = 2 * time.Second
)

// Serve answers requests on l until ctx ends, which is not an error. It closes l.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(io.Discard, "", 0), // of clients that go away
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(newListener(l)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// Loopback reports whether only this machine reaches an address.
func Loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

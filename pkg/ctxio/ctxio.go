// SPDX-License-Identifier: MPL-2.0

// Package ctxio ends copies with a context: each Read or Write asks it first. One
// that has begun is not interrupted.
package ctxio

import (
	"context"
	"io"
)

// Reader is r until ctx ends.
func Reader(ctx context.Context, r io.Reader) io.Reader {
	return read(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

// Writer is w until ctx ends.
func Writer(ctx context.Context, w io.Writer) io.Writer {
	return write(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return w.Write(p)
	})
}

type read func(p []byte) (int, error)

func (f read) Read(p []byte) (int, error) { return f(p) }

type write func(p []byte) (int, error)

func (f write) Write(p []byte) (int, error) { return f(p) }

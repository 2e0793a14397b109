// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// explain names the output that an error is about, or all outputs.
func (w *writing) explain(err error) error {
	if err == nil {
		return nil
	}
	if o, ok := errors.AsType[*outputError](err); ok {
		return o.explain()
	}
	var names []string
	for _, t := range w.targets {
		names = append(names, t.name)
	}
	return fmt.Errorf("write %s: %w", strings.Join(names, ", "), err)
}

// outputSink marks errors with the output that they are about.
type outputSink struct {
	pipeline.Sink
	t target
}

func (s outputSink) mark(err error) error {
	if err == nil {
		return nil
	}
	return &outputError{s.t, err}
}

func (s outputSink) NewEncoder() func(*pipeline.Chunk) error {
	encode := s.Sink.NewEncoder()
	return func(c *pipeline.Chunk) error { return s.mark(encode(c)) }
}

func (s outputSink) Write(c *pipeline.Chunk) error { return s.mark(s.Sink.Write(c)) }

func (s outputSink) End() error { return s.mark(s.Sink.End()) }

// outputError is an error about one output.
type outputError struct {
	t   target
	err error
}

func (e *outputError) Error() string { return e.explain().Error() }

func (e *outputError) Unwrap() error { return e.err }

func (e *outputError) explain() error {
	switch {
	case strings.HasPrefix(e.err.Error(), "write "+e.t.path+":"):
		return e.err
	case e.t.kind == toFile:
		return explain(e.t.path, e.err)
	case errors.Is(e.err, syscall.EPIPE):
		return fmt.Errorf("write %s: its reader has gone: %w", e.t.path, e.err)
	case e.t.kind == toDevice:
		return fmt.Errorf("write %s: its content is incomplete: %w", e.t.path, e.err)
	case e.t.path == StandardOutput:
		return fmt.Errorf("write standard output: %w", e.err)
	}
	return fmt.Errorf("write %s: %w", e.t.path, e.err)
}

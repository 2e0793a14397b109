// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/results"
)

// item is what an address leads to.
type item interface {
	serve(w http.ResponseWriter, r *http.Request)
}

// maxRanges is how many parts of a file one request may have.
const maxRanges = 8

// file is a file to be downloaded, or a text to be read.
type file struct {
	name    string // what to save it as
	open    func() (results.Content, error)
	size    int64
	modTime time.Time
	etag    string // of a content, not of a file
	key     string // of its digest
	text    bool
}

const plainText = "text/plain; charset=utf-8"

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	src, err := f.open()
	if err != nil {
		refuse(w, err)
		return
	}
	defer src.Close()
	if strings.Count(r.Header.Get("Range"), ",") >= maxRanges {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", f.size))
		http.Error(w, "too many ranges", http.StatusRequestedRangeNotSatisfiable)
		return
	}
	h := w.Header()
	if f.etag != "" {
		h.Set("ETag", f.etag)
	}
	h.Set("Content-Type", contentType(f.name))
	if f.text {
		h.Set("Content-Type", plainText)
	} else {
		h.Set("Content-Disposition", attachment(f.name))
	}
	// The file itself and not something around it: only then the kernel
	// sends it.
	http.ServeContent(w, r, "", f.modTime, src)
}

// refuse answers for a file that cannot be opened.
func refuse(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, results.ErrChanged):
		http.Error(w, "This file has changed since the build, and is not served.", http.StatusGone)
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "This file is no longer there.", http.StatusGone)
	default:
		http.Error(w, "This file cannot be read.", http.StatusInternalServerError)
	}
}

// contentType is never one that a browser would run.
func contentType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".txt", ".log", ".manifest", ".conf":
		return plainText
	case ".json":
		return "application/json"
	case ".gz", ".tgz":
		return "application/gzip"
	case ".tar", ".ova":
		return "application/x-tar"
	case ".zst":
		return "application/zstd"
	case ".xz":
		return "application/x-xz"
	}
	return "application/octet-stream"
}

func attachment(name string) string {
	v := mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(name)})
	if v == "" {
		return "attachment"
	}
	return v
}

// stream is something that is made while it is sent.
type stream struct {
	name  string // "" for what a browser shows
	ctype string
	write func(ctx context.Context, w io.Writer) error
}

func (s *stream) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", s.ctype)
	if s.name != "" {
		h.Set("Content-Disposition", attachment(s.name))
	}
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	c := &counter{w: w}
	if err := s.write(r.Context(), c); err != nil {
		if c.n == 0 {
			h.Del("Content-Disposition")
			refuse(w, err)
			return
		}
		panic(http.ErrAbortHandler) // so that the client sees that something is missing
	}
}

// counter knows whether something was sent.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

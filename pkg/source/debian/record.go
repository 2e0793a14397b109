// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// recording is a folder, as Export writes it, for what apt in steps fetches.
type recording struct {
	dir      string
	archives []recordedArchive
}

type recordedArchive struct {
	scheme string // of the mirror: a step asks for http
	host   string
	path   string // without a slash at the end
	name   string // of the archive's directory
}

// Record is h with a Relay that keeps below a directory what apt in steps fetches from the
// archives of bootstraps, for a build with Vendored.
func (h Host) Record(dir string, all []Bootstrap) (Host, error) {
	r := &recording{dir: dir}
	for _, b := range all {
		archives, err := b.archives(h)
		if err != nil {
			return h, err
		}
		for _, a := range archives {
			u, err := url.Parse(a.Mirror)
			if err != nil {
				return h, err
			}
			to := recordedArchive{u.Scheme, strings.ToLower(u.Host), strings.TrimRight(u.Path, "/"), vendoredName(a.Public)}
			if u.Scheme != "file" && !slices.Contains(r.archives, to) {
				r.archives = append(r.archives, to)
			}
		}
	}
	h.recording = r
	return h, nil
}

// of is the archive that an address is of, and the name of the file in it.
func (r *recording) of(u *url.URL) (a recordedArchive, rest string, ok bool) {
	if r == nil || u.Scheme != "http" {
		return a, "", false
	}
	for _, a := range r.archives {
		if rest, ok := strings.CutPrefix(u.Path, a.path+"/"); ok && strings.ToLower(u.Host) == a.host && fs.ValidPath(rest) && rest != "." && !strings.Contains(rest, "\\") {
			return a, rest, true
		}
	}
	return a, "", false
}

// record answers a request for a whole file, and keeps the file.
func (r *Relay) record(w http.ResponseWriter, q *http.Request, a recordedArchive, rest string) error {
	for _, name := range []string{"Range", "If-Range", "If-Modified-Since", "If-None-Match"} {
		q.Header.Del(name)
	}
	q.URL.Scheme = a.scheme
	client := http.Client{Transport: r.out, CheckRedirect: func(q *http.Request, via []*http.Request) error {
		return errors.Join(checkRedirect(q, via), checkOutward(q.Context(), q.URL.Hostname(), via[0].URL.Hostname()))
	}}
	answer, err := client.Do(q)
	if err != nil {
		return errors.New("the mirror could not be reached") // err may name a proxy
	}
	defer answer.Body.Close()
	for _, name := range []string{"Content-Length", "Content-Type", "Last-Modified", "Date"} {
		if v := answer.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	if answer.StatusCode != http.StatusOK || q.Method != http.MethodGet {
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body) // what it says is of no use
		return nil
	}
	name := filepath.Join(r.host.recording.dir, a.name, filepath.FromSlash(rest))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := freshfile.Create(filepath.Dir(name), ".new-")
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	n, err := io.Copy(io.MultiWriter(file, w), answer.Body)
	if err == nil && answer.ContentLength >= 0 && n != answer.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	if err := freshfile.Finish(file, name, 0o644, err); err != nil {
		panic(http.ErrAbortHandler) // so that apt does not take the answer for complete
	}
	return nil
}

// checkOutward refuses a redirect of one host to another one on this machine or its link:
// the relay is outside of the network of steps, which must not reach these by way of it.
func checkOutward(ctx context.Context, host, from string) error {
	if host == from {
		return nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if a = a.Unmap(); a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() {
			return errors.New("a redirect to an address of this machine")
		}
	}
	return nil
}

// SPDX-License-Identifier: MPL-2.0

// Package download stands between the program and the network: what HTTP fetches goes
// through one Gate, which writes down what has come, or lets nothing out. It leaves out
// what steps fetch by themselves, and git, which is another program: its caller adds
// what it has fetched.
package download

import (
	"cmp"
	"net/url"
	"slices"
	"sync"
)

// The kinds of downloads.
const (
	Deb      = "deb"            // a package
	Index    = "index"          // a release file or a list of packages of a mirror
	Manifest = "image manifest" // or an index of manifests
	Blob     = "image blob"     // a layer or a configuration
	Git      = "git"            // a commit, with all that it leads to
)

// Record is something that was fetched.
type Record struct {
	Kind   string `json:"kind"`
	URL    string `json:"url"`              // as it was asked for, without user, password and query
	Digest string `json:"digest,omitempty"` // sha256:..., of a file; "" if only a part was fetched
	Size   int64  `json:"size,omitempty"`   // bytes; of git it is not known
	Commit string `json:"commit,omitempty"` // of git
}

// Recorder keeps records. It may be used by several goroutines; a nil one keeps nothing.
type Recorder struct {
	mu   sync.Mutex
	list []Record
}

// Add adds a record. One of the same content from the same place is kept once.
func (r *Recorder) Add(n Record) {
	if r == nil {
		return
	}
	n.URL = Clean(n.URL)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.list, n) {
		r.list = append(r.list, n)
	}
}

// List are the records, by kind and address.
func (r *Recorder) List() []Record {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.list)
	slices.SortStableFunc(out, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.URL, b.URL), cmp.Compare(a.Commit, b.Commit))
	})
	return out
}

// Clean is an address without what may be secret: the user, and a query, by which
// stores of blobs tell who may read. What is not a URL, such as HOST:PATH, stays.
func Clean(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	return u.String()
}

// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
)

// testNow is the time of all tests.
var testNow = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// fakeRepo is a mirror with two archives: /debian and /security.
type fakeRepo struct {
	t       testing.TB
	key     *openpgp.Entity
	keyring string
	server  *httptest.Server

	mu     sync.Mutex
	files  map[string][]byte // by path
	hits   map[string]int
	before func(http.ResponseWriter, *http.Request) bool // true: answered
}

type entity = openpgp.Entity

// suiteSpec has the properties of a suite that a test may change.
type suiteSpec struct {
	name       string // "" is sid
	archive    string // "" is /debian
	codename   string // "" is name
	validUntil time.Time
	date       time.Time // zero is a day before testNow
	noByHash   bool
	pack       string // ".xz" if ""
	tamper     func(packages string) string

	detached     bool   // Release and Release.gpg instead of InRelease
	armored      bool   // Release.gpg as text
	noComponents bool   // no such field
	noNames      bool   // neither Suite nor Codename
	packedOnly   bool   // the release has no Packages, only Packages.xz
	sum          string // field with the hashes; "" is SHA256
	foreign      string // architecture of a second index
}

func newRepo(t testing.TB) *fakeRepo {
	r := &fakeRepo{t: t, key: newKey(t, 0), files: map[string][]byte{}, hits: map[string]int{}}
	r.keyring = writeKeyring(t, r.key)
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	return r
}

// newKey makes a signing key two years before testNow; lifetime 0 means no expiry.
func newKey(t testing.TB, lifetime time.Duration) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("Archive", "", "archive@example.org", &packet.Config{
		Algorithm:       packet.PubKeyAlgoEdDSA,
		Time:            func() time.Time { return testNow.AddDate(-2, 0, 0) },
		KeyLifetimeSecs: uint32(lifetime.Seconds()),
	})
	must(t, err)
	return e
}

func writeKeyring(t testing.TB, keys ...*openpgp.Entity) string {
	t.Helper()
	var b bytes.Buffer
	for _, k := range keys {
		must(t, k.Serialize(&b))
	}
	name := filepath.Join(t.TempDir(), "keyring.gpg")
	must(t, os.WriteFile(name, b.Bytes(), 0o644))
	return name
}

func (r *fakeRepo) serve(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.hits[q.URL.Path]++
	data, ok := r.files[q.URL.Path]
	before := r.before
	r.mu.Unlock()
	if before != nil && before(w, q) {
		return
	}
	if !ok {
		http.NotFound(w, q)
		return
	}
	sum := sha256.Sum256(data)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(data))
}

func (r *fakeRepo) put(path string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[path] = data
}

func (r *fakeRepo) count(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hits[path]
}

// poolPath is the path at which a package of /debian is served.
func poolPath(d debtest.Deb) string { return fmt.Sprintf("/debian/pool/%s_%s.deb", d.Name, d.Version) }

// suite publishes packages as a suite, with indices for amd64 and main.
func (r *fakeRepo) suite(s suiteSpec, debs ...debtest.Deb) {
	r.t.Helper()
	if s.name == "" {
		s.name = "sid"
	}
	if s.archive == "" {
		s.archive = "/debian"
	}
	var index, foreign strings.Builder
	for _, d := range debs {
		data := d.Build(r.t)
		name := fmt.Sprintf("pool/%s_%s.deb", d.Name, d.Version)
		if d.Architecture() == s.foreign {
			name = fmt.Sprintf("pool/%s_%s_%s.deb", d.Name, d.Version, s.foreign)
		}
		r.put(s.archive+"/"+name, data)
		entry := fmt.Sprintf("%sFilename: %s\nSize: %d\n%s: %s\n\n", d.Stanza(), name, len(data), s.field(), s.sumOf(data))
		if d.Architecture() != s.foreign {
			index.WriteString(entry)
		}
		if s.foreign != "" && (d.Architecture() == s.foreign || d.Architecture() == "all") {
			foreign.WriteString(entry)
		}
	}
	text := index.String()
	r.release(s, text, foreign.String())
	if s.tamper != nil {
		r.index(s, s.tamper(text), text)
	}
}

func (s suiteSpec) packing() string {
	if s.pack == "" {
		return ".xz"
	}
	return strings.TrimSuffix(s.pack, ".") // "." is none
}

func (s suiteSpec) field() string {
	if s.sum == "" {
		return "SHA256"
	}
	return s.sum
}

func (s suiteSpec) sumOf(data []byte) string {
	if s.field() == "SHA512" {
		return fmt.Sprintf("%x", sha512.Sum512(data))
	}
	return sha(data)
}

// index puts the Packages file text at the path at which the release lists honest.
func (r *fakeRepo) index(s suiteSpec, text, honest string) { r.indexOf(s, "amd64", text, honest) }

func (r *fakeRepo) indexOf(s suiteSpec, arch, text, honest string) {
	dir := s.archive + "/dists/" + s.name + "/main/binary-" + arch + "/"
	packed := debtest.Compress(r.t, s.packing(), []byte(text))
	r.put(dir+"Packages"+s.packing(), packed)
	if !s.noByHash {
		r.put(dir+"by-hash/"+s.field()+"/"+s.sumOf(debtest.Compress(r.t, s.packing(), []byte(honest))), packed)
	}
}

func (r *fakeRepo) release(s suiteSpec, index, foreign string) {
	r.t.Helper()
	r.index(s, index, index)
	if s.foreign != "" {
		r.indexOf(s, s.foreign, foreign, foreign)
	}
	if s.codename == "" {
		s.codename = s.name
	}
	if s.date.IsZero() {
		s.date = testNow.AddDate(0, 0, -1)
	}
	const layout = "Mon, 02 Jan 2006 15:04:05 UTC"
	var b strings.Builder
	if !s.noNames {
		fmt.Fprintf(&b, "Origin: Debian\nSuite: %s\nCodename: %s\n", s.name, s.codename)
	}
	fmt.Fprintf(&b, "Date: %s\n", s.date.Format(layout))
	if !s.validUntil.IsZero() {
		fmt.Fprintf(&b, "Valid-Until: %s\n", s.validUntil.Format(layout))
	}
	if !s.noByHash {
		b.WriteString("Acquire-By-Hash: yes\n")
	}
	fmt.Fprintf(&b, "Architectures: all amd64 %s\n", s.foreign)
	if !s.noComponents {
		b.WriteString("Components: main contrib\n")
	}
	fmt.Fprintf(&b, "%s:\n", s.field())
	for arch, text := range map[string]string{"amd64": index, s.foreign: foreign} {
		for _, ending := range []string{"", s.packing()} {
			if arch == "" || ending == "" && s.packedOnly {
				continue
			}
			data := debtest.Compress(r.t, ending, []byte(text))
			fmt.Fprintf(&b, " %s %d main/binary-%s/Packages%s\n", s.sumOf(data), len(data), arch, ending)
		}
	}
	dir := s.archive + "/dists/" + s.name + "/"
	if !s.detached {
		r.put(dir+"InRelease", sign(r.t, b.String(), r.key))
		return
	}
	r.put(dir+"Release", []byte(b.String()))
	r.put(dir+"Release.gpg", signature(r.t, b.String(), s.armored, r.key))
}

// signature is a detached signature, made a day before testNow.
func signature(t testing.TB, text string, armored bool, key *openpgp.Entity) []byte {
	t.Helper()
	config := &packet.Config{Time: func() time.Time { return testNow.AddDate(0, 0, -1) }}
	write := openpgp.DetachSign
	if armored {
		write = openpgp.ArmoredDetachSign
	}
	var b bytes.Buffer
	must(t, write(&b, key, strings.NewReader(text), config))
	return b.Bytes()
}

// directory writes everything that the repository serves below a directory.
func (r *fakeRepo) directory(prefix string) string {
	r.t.Helper()
	dir := r.t.TempDir()
	for name, data := range r.files {
		if rel, ok := strings.CutPrefix(name, prefix+"/"); ok {
			must(r.t, os.MkdirAll(filepath.Dir(filepath.Join(dir, rel)), 0o755))
			must(r.t, os.WriteFile(filepath.Join(dir, rel), data, 0o644))
		}
	}
	return dir
}

// sign makes a cleartext-signed message, a day before testNow.
func sign(t testing.TB, text string, keys ...*openpgp.Entity) []byte {
	t.Helper()
	var private []*packet.PrivateKey
	for _, k := range keys {
		private = append(private, k.PrivateKey)
	}
	var b bytes.Buffer
	w, err := clearsign.EncodeMulti(&b, private, &packet.Config{Time: func() time.Time { return testNow.AddDate(0, 0, -1) }})
	must(t, err)
	_, err = w.Write([]byte(text))
	must(t, err)
	must(t, w.Close())
	b.WriteByte('\n')
	return b.Bytes()
}

// bootstrap is a declaration that reads sid from the repository.
func (r *fakeRepo) bootstrap(packages ...string) Bootstrap {
	return Bootstrap{Suite: "sid", Arch: "amd64", Packages: packages, Keyring: r.keyring, Mirror: r.server.URL + "/debian"}
}

func (r *fakeRepo) fetcher(t testing.TB) *Fetcher {
	return &Fetcher{Cache: t.TempDir(), SkipOwners: true, Backoff: time.Millisecond}
}

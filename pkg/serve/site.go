// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path"
	"path/filepath"
	"time"

	"github.com/carosio/carosbuild/pkg/ctxio"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/results"
)

// Build is a build with what is offered of it.
type Build struct {
	Report *history.Report // of a build that has left none: its id only
	Stage  string          // that the results are of
	LogDir string
	Logs   []string // file names in LogDir, in the order of the stages

	// Set is nil for a build of which only the page, logs and disks are
	// offered.
	Set                 *results.Set
	Cooker, PackageLogs func(context.Context) ([]results.File, error) // nil without such logs

	// Page is the report of the build, as pkg/report makes it; nil for none. It is called
	// for one request at a time.
	Page func(context.Context) ([]byte, error)
}

// reportName is the address of a build's report, below that of the build.
const reportName = "report.html"

// Options say how to serve.
type Options struct {
	Loopback bool // only this machine reaches the server
	Zone     *time.Location
	Digests  *Digests
}

// Site are the pages and files of builds.
type Site struct {
	options Options
	routes  map[string]item // by the whole path of the address, decoded
	wanted  []*file         // whose digests pages show
}

// NewSite makes the site of a build and, with less of each, of others. Main is
// at /, each other at /builds/ID/.
func NewSite(main *Build, all []*Build, o Options) *Site {
	s := &Site{options: o, routes: map[string]item{}}
	s.add("/", main)
	for _, b := range all {
		if b.Report.BuildID == main.Report.BuildID {
			continue
		}
		s.add("/builds/"+b.Report.BuildID+"/", b)
	}
	s.routes["/builds/"] = &page{"builds", func() any { return s.buildsView(main, all) }}
	return s
}

// LogAddress is the address of a stage's log, relative to that of its build.
func LogAddress(stage string) string { return href("logs/" + history.LogName(stage)) }

// add makes the addresses of a build below a path.
func (s *Site) add(at string, b *Build) {
	v := &buildPage{site: s, build: b, at: at}
	for i, o := range b.Report.Outputs {
		f := disk(o)
		if _, ok := s.routes[at+"disks/"+f.name]; ok { // of another directory
			f.name = fmt.Sprintf("%d-%s", i+1, f.name)
		}
		s.routes[at+"disks/"+f.name] = f
		v.disks = append(v.disks, f)
		s.wanted = append(s.wanted, f)
	}
	for _, name := range b.Logs {
		f, err := logFile(filepath.Join(b.LogDir, name))
		if err != nil {
			continue // it was removed
		}
		s.routes[at+"logs/"+name] = f
		v.logs = append(v.logs, f)
	}
	if len(v.logs) > 0 {
		s.routes[at+"log.txt"] = &stream{"", plainText, v.wholeLog}
	}
	if b.Page != nil {
		s.routes[at+reportName] = &reportPage{make: b.Page}
	}
	s.routes[at+history.ReportName] = &stream{"", "application/json", v.report}
	if b.Set != nil {
		s.results(at, b, v)
	}
	if len(v.disks)+len(v.artifacts) > 0 {
		s.routes[at+results.SumsName] = &stream{"", plainText, v.sums}
	}
	s.routes[at] = &page{"build", v.view}
}

// results makes the addresses of artifacts, packages and bitbake's logs.
func (s *Site) results(at string, b *Build, v *buildPage) {
	for _, a := range b.Set.Artifacts {
		f := stageFile(a)
		s.routes[at+a.Name] = f
		v.artifacts = append(v.artifacts, f)
		s.wanted = append(s.wanted, f)
	}
	archive := func(name, prefix, ctype string, find func(context.Context) ([]results.File, error), write func(context.Context, io.Writer, string, []results.File) error) {
		s.routes[at+name] = &stream{name, ctype, func(ctx context.Context, w io.Writer) error {
			files, err := find(ctx)
			if err != nil {
				return err
			}
			return write(ctx, w, prefix, files)
		}}
	}
	if b.Cooker != nil {
		archive("cooker-logs.tar.gz", "cooker-logs", "application/gzip", b.Cooker, results.WriteTarGzip)
	}
	if b.PackageLogs != nil {
		archive("package-logs.tar.gz", "package-logs", "application/gzip", b.PackageLogs, results.WriteTarGzip)
	}
	if len(b.Set.Packages) == 0 {
		return
	}
	archive("packages.tar", "packages", "application/x-tar", func(context.Context) ([]results.File, error) { return b.Set.Packages, nil }, results.WriteTar)
	s.packages(at+"packages/", b.Set.Packages)
}

// packages makes the addresses of a feed, and a page for each directory of it.
func (s *Site) packages(at string, files []results.File) {
	dirs := map[string]*folder{}
	var dir func(name string) *folder
	dir = func(name string) *folder { // "" is the feed itself
		d := dirs[name]
		if d == nil {
			d = &folder{name: "packages/" + name}
			dirs[name] = d
			address := at
			if name != "" {
				address += name + "/"
				parent := path.Dir(name)
				if parent == "." {
					parent = ""
				}
				p := dir(parent)
				p.dirs = append(p.dirs, path.Base(name))
			}
			s.routes[address] = &page{"folder", d.view}
		}
		return d
	}
	for _, f := range files {
		s.routes[at+f.Name] = stageFile(f)
		name := path.Dir(f.Name)
		if name == "." {
			name = ""
		}
		d := dir(name)
		d.files = append(d.files, f)
	}
}

// stageFile is a file of a stage. Its entity tag is that of its content, as
// layers do not change, so that a download goes on after a restart.
func stageFile(f results.File) *file {
	sum := sha256.Sum256([]byte(f.ID()))
	return &file{name: f.Name, open: f.Open, size: f.Size, modTime: f.ModTime, key: f.ID(), etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// disk is an output of a build, as long as it is what was written.
func disk(o history.Output) *file {
	return &file{
		name: filepath.Base(o.Path), size: o.Size, modTime: o.ModTime, key: DiskKey(o),
		etag: fmt.Sprintf(`"%x-%x-%x"`, o.Size, o.ModTime.UnixNano(), o.Inode),
		open: func() (results.Content, error) {
			f, st, err := results.OpenFile(o.Path)
			if err != nil {
				return nil, err
			}
			if !o.Is(st) {
				f.Close()
				return nil, fmt.Errorf("%s: %w", o.Path, results.ErrChanged)
			}
			return f, nil
		},
	}
}

// DiskKey is the key of the digest of a build's disk.
func DiskKey(o history.Output) string {
	return fmt.Sprintf("file:%s:%d:%d:%d", o.Path, o.Size, o.ModTime.UnixNano(), o.Inode)
}

func logFile(name string) (*file, error) {
	f, st, err := results.OpenFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return &file{name: filepath.Base(name), size: st.Size(), modTime: st.ModTime(), text: true, open: func() (results.Content, error) {
		f, _, err := results.OpenFile(name)
		return f, err
	}}, nil
}

// Hash works out the digests that pages show, until ctx ends.
func (s *Site) Hash(ctx context.Context) {
	for _, f := range s.wanted {
		if _, err := s.options.Digests.Of(ctx, f.key, f.open); ctx.Err() != nil {
			return
		} else if err != nil {
			continue // the page says so
		}
	}
}

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 { // nobody waits for it
		h.Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		http.Error(w, "a request has no body here", http.StatusBadRequest)
		return
	}
	if s.options.Loopback && !localName(r.Host) {
		http.Error(w, "This server is known as localhost only.", http.StatusMisdirectedRequest)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	if it, ok := s.routes[r.URL.Path]; ok {
		it.serve(w, r)
		return
	}
	if _, ok := s.routes[r.URL.Path+"/"]; ok {
		h.Set("Location", path.Base(r.URL.EscapedPath())+"/")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	http.Error(w, "There is nothing here.", http.StatusNotFound)
}

// localName reports whether a Host header means this machine by an address or
// as localhost. A foreign name that leads here is how a page of
// theirs would read what this server has.
func localName(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if name == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(trimBrackets(name))
	return err == nil && a.IsLoopback()
}

func trimBrackets(s string) string {
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}

// report writes the report, without the directories of this machine.
func (v *buildPage) report(_ context.Context, w io.Writer) error {
	r := *v.build.Report
	r.Outputs = append([]history.Output(nil), r.Outputs...)
	for i := range r.Outputs {
		r.Outputs[i].Path = filepath.Base(r.Outputs[i].Path)
		r.Outputs[i].SHA256 = v.site.options.Digests.Known(v.disks[i].key)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(r)
}

// wholeLog writes the logs of all stages one after the other.
func (v *buildPage) wholeLog(ctx context.Context, w io.Writer) error {
	for _, l := range v.logs {
		f, err := l.open()
		if err != nil {
			continue
		}
		fmt.Fprintf(w, "===== %s\n", l.name)
		_, err = io.Copy(w, ctxio.Reader(ctx, f))
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// sums writes the digests of disks and artifacts, by their addresses. What is
// no longer there has none.
func (v *buildPage) sums(ctx context.Context, w io.Writer) error {
	line := func(f *file, name string) error {
		sum, err := v.site.options.Digests.Of(ctx, f.key, f.open)
		if err != nil {
			return ctx.Err()
		}
		_, err = io.WriteString(w, results.SumLine(sum, name))
		return err
	}
	for _, f := range v.disks {
		if err := line(f, "disks/"+f.name); err != nil {
			return err
		}
	}
	for _, f := range v.artifacts {
		if err := line(f, f.name); err != nil {
			return err
		}
	}
	return nil
}

// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/source/debian/aptmethod"
	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// StepFiles are the files that let apt in a step use the host's mirrors.
type StepFiles struct {
	Files map[string]string // by absolute path below RunDir
	Dirs  map[string]string // directories of the host, by the absolute path below RunDir where they are mounted
}

// aptMethod is the program by which apt in a step "fetches" from vendored archives.
const aptMethod = RunDir + "/apt-method"

// hostRE are the names of servers that can be part of an option's name.
var hostRE = lazyregexp.New(`^[a-z0-9][a-z0-9.-]*$`)

// AptFiles are files and directories that let apt inside a stage use the host's
// mirrors, proxy and date checks while an image is built, without a trace in the
// image: bind them and set APT_CONFIG to AptConfig. Sources in the image's
// sources.list.d stay in force. Suites named in without are left out. The files
// contain no passwords: relay is the address of a Relay; if it is "", mirrors and
// proxies with a password are left out.
func (b Bootstrap) AptFiles(h Host, without []string, relay string) (StepFiles, error) {
	archives, err := b.archives(h)
	if err != nil {
		return StepFiles{}, err
	}
	archives = slices.DeleteFunc(archives, func(a archive) bool { return slices.Contains(without, a.Suite) })
	step := stepApt{host: h, relay: relay, main: archives[0], dirs: map[string]string{}}
	list := RunDir + "/sources.list"
	sources := b.sourcesList(archives, step.address)
	var conf strings.Builder
	fmt.Fprintf(&conf, "Dir::Etc::sourcelist \"%s\";\n", list)
	for _, o := range []struct{ name, value string }{
		{"Acquire::http::Proxy", forStep(h.HTTPProxy, relay)},
		{"Acquire::https::Proxy", forStep(h.HTTPSProxy, relay)},
		{"Acquire::Check-Valid-Until", falseIf(h.IgnoreValidUntil || b.Snapshot != "" || h.Vendored != "")},
		{"Acquire::Check-Date", falseIf(h.IgnoreDate)},
	} {
		if strings.ContainsAny(o.value, "\"\n\\") {
			return StepFiles{}, fmt.Errorf("the host's %s has a character that is not possible in an apt configuration", o.name)
		}
		if o.value != "" {
			fmt.Fprintf(&conf, "%s \"%s\";\n", o.name, o.value)
		}
	}
	conf.WriteString(step.exceptions())
	files := map[string]string{list: sources}
	if h.Vendored != "" || h.recording != nil { // differences between two states of an index are of no use later
		conf.WriteString("Acquire::PDiffs \"false\";\n")
	}
	if len(step.vendored) > 0 {
		files[aptMethod] = aptmethod.Script(step.vendored)
		fmt.Fprintf(&conf, "Dir::Bin::Methods::http \"%s\";\nDir::Bin::Methods::https \"%[1]s\";\n", aptMethod)
	}
	files[AptConfig] = conf.String()
	return StepFiles{Files: files, Dirs: step.dirs}, nil
}

// stepApt determines what apt in a step is told about the host's mirrors.
type stepApt struct {
	host    Host
	relay   string
	main    archive
	dirs    map[string]string
	through []string // servers that the relay knows a password for, or all that it records

	vendored []aptmethod.Archive
}

// address is the address of an archive in a step: a directory of the host has a
// mount point of its own, and a mirror with a password gets an address without one.
func (s *stepApt) address(a archive) string {
	u, err := url.Parse(a.Mirror)
	if err != nil { // checked before
		return a.Mirror
	}
	at, err := url.Parse(a.URL)
	if err != nil {
		return a.Mirror
	}
	dir := RunDir + "/mirror"
	if at.Scheme == "file" {
		if a.Security && a.URL != s.main.URL {
			dir += "-security"
		}
		s.dirs[dir] = path.Clean(at.Path)
	}
	if u.Scheme == "file" {
		return "file:" + dir
	}
	if s.host.Vendored != "" {
		s.vendored = append(s.vendored, aptmethod.Archive{Address: u.Host + strings.TrimRight(u.EscapedPath(), "/"), Dir: dir})
	}
	if _, ok := s.host.loginFor(u); ok || s.host.recording != nil {
		u.Scheme = "http"
		s.through = append(s.through, strings.ToLower(u.Hostname()))
		return u.String()
	}
	return a.Mirror
}

// exceptions are the servers whose proxies differ from the others'.
func (s *stepApt) exceptions() string {
	var b strings.Builder
	for _, host := range s.host.NoProxy {
		if field.IsPackage(host) && !slices.Contains(s.through, host) {
			fmt.Fprintf(&b, "Acquire::http::Proxy::%s \"DIRECT\";\nAcquire::https::Proxy::%s \"DIRECT\";\n", host, host)
		}
	}
	slices.Sort(s.through)
	for _, host := range slices.Compact(s.through) {
		if hostRE().MatchString(host) && s.relay != "" {
			fmt.Fprintf(&b, "Acquire::http::Proxy::%s \"%s\";\n", host, s.relay)
		}
	}
	return b.String()
}

// forStep is a proxy in the form that a step may see.
func forStep(proxy, relay string) string {
	switch {
	case !hasLogin(proxy):
		return proxy
	case relayed(proxy):
		return relay
	}
	return ""
}

func falseIf(b bool) string {
	if b {
		return "false"
	}
	return ""
}

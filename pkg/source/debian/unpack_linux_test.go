// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
)

func TestUnpackRefuses(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, debtest.Base()...)
	f := r.fetcher(t)
	res, err := f.Resolve(t.Context(), r.bootstrap(), Host{}, testNow)
	must(t, err)
	must(t, f.Fetch(t.Context(), res))
	full := t.TempDir()
	must(t, os.WriteFile(filepath.Join(full, "x"), nil, 0o644))
	if err := f.Unpack(t.Context(), res, full); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("root that is not empty: got %v", err)
	}
	if err := f.Unpack(t.Context(), res, filepath.Join(full, "x")); err == nil {
		t.Error("root that is a file: want an error")
	}
	name := f.debPath(res.Packages[0].Sum)
	data, err := os.ReadFile(name)
	must(t, err)
	must(t, os.WriteFile(name, flip(data, 90), 0o644))
	if err := f.Unpack(t.Context(), res, t.TempDir()); err == nil || !strings.Contains(err.Error(), "damaged in the cache") {
		t.Errorf("bit flipped in the cache: got %v", err)
	}
	res.Packages[0].Version = "9"
	must(t, os.WriteFile(name, data, 0o644))
	if err := f.Unpack(t.Context(), res, t.TempDir()); err == nil || !strings.Contains(err.Error(), "says that it is") {
		t.Errorf("other version inside: got %v", err)
	}
}

// The result of Unpack has the sources and apt's marks of the resolution.
func TestUnpackOfAResolution(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, debtest.Base()...)
	f := r.fetcher(t)
	res, err := f.Resolve(t.Context(), r.bootstrap(), Host{}, testNow)
	must(t, err)
	must(t, f.Fetch(t.Context(), res))
	var last Event
	f.Events = func(e Event) { last = e }
	root := t.TempDir()
	must(t, f.Unpack(t.Context(), res, root))
	got := debtest.List(t, root)
	for name, want := range map[string]string{
		"lib64":                       "-> usr/lib64",
		"usr/bin/mawk":                "-rwxr-xr-x #!mawk",
		"var/lib/dpkg/arch":           "-rw-r--r-- amd64\n",
		"etc/apt/sources.list":        "-rw-r--r-- " + res.Sources,
		"var/lib/apt/extended_states": "-rw-r--r-- Package: libc6\nArchitecture: amd64\nAuto-Installed: 1\n\n",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	if last.Phase != "unpack" || last.Done != res.Size() || last.Total != res.Size() {
		t.Errorf("the last event is %+v, want all %d bytes", last, res.Size())
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

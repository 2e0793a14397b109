// SPDX-License-Identifier: MPL-2.0

package release

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindPackages(t *testing.T) {
	const dpkg = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
	for what, tt := range map[string]struct {
		files map[string]string
		name  string
		want  []Package
		err   error
	}{
		"nothing":                {want: []Package{}},
		"dpkg's":                 {files: map[string]string{"/var/lib/dpkg/status": dpkg}, want: []Package{{"a", "1", "all"}}},
		"opkg's before dpkg's":   {files: map[string]string{"/var/lib/dpkg/status": dpkg, "/var/lib/opkg/status": strings.ReplaceAll(dpkg, ": 1", ": 2")}, want: []Package{{"a", "2", "all"}}},
		"a file that is named":   {files: map[string]string{"/var/lib/dpkg/status": dpkg, "/x.manifest": "b all 3\n"}, name: "/x.manifest", want: []Package{{"b", "3", "all"}}},
		"a named one, not there": {files: map[string]string{"/var/lib/dpkg/status": dpkg}, name: "/x.manifest", err: fs.ErrNotExist},
		"one that is forbidden":  {files: map[string]string{"/var/lib/dpkg/status": dpkg, "/usr/lib/opkg/status": ""}, err: fs.ErrPermission},
	} {
		got, err := FindPackages(tt.name, func(name string) (io.ReadCloser, error) {
			text, ok := tt.files[name]
			switch {
			case !ok:
				return nil, fs.ErrNotExist
			case text == "":
				return nil, fs.ErrPermission
			}
			return io.NopCloser(strings.NewReader(text)), nil
		})
		if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, -want +got\n%s", what, err, diff)
		}
	}
}

func TestNameFiles(t *testing.T) {
	sources := []Source{{Name: "a.vmdk"}, {Name: "b.raw.gz"}, {Name: "README"}}
	values := map[string]string{"version": "16.04"}
	if err := NameFiles(sources, "{version}-{disk}-{name}.{ext}", values, map[string]string{"b.raw.gz": "board"}, "pc"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sources {
		got = append(got, s.File)
	}
	if diff := cmp.Diff([]string{"16.04-pc-a.vmdk", "16.04-board-b.raw.gz", "16.04-pc-README"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if len(values) != 1 {
		t.Errorf("the values were changed: %v", values)
	}
	if err := NameFiles(sources, "{distro}", values, nil, ""); err == nil || !strings.Contains(err.Error(), "{distro} is not known") {
		t.Errorf("got %v", err)
	}
}

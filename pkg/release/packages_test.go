// SPDX-License-Identifier: MPL-2.0

package release

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadPackages(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []Package
	}{
		{"status", "", nil},
		{"dpkg/status", `Package: b
Status: install ok installed
Priority: required
Architecture: amd64
Version: 1:2-3
Conffiles:
 /etc/b 0123

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: never
Status: unknown ok not-installed
Architecture: amd64

Package: half
Status: install ok half-configured
Version: 1
Architecture: all

Package: a
Status: hold ok installed
Version: 2
Architecture: i386

Package: a
Status: install ok installed
Version: 2
Architecture: amd64
`, []Package{{"a", "2", "amd64"}, {"a", "2", "i386"}, {"b", "1:2-3", "amd64"}, {"half", "1", "all"}}},
		{"opkg/status", `Package: base-files
Version: 3.0.14-r89
Depends: x (= 1)
Status: install user installed
Architecture: vmware
Conffiles:
 /etc/fstab d41d8cd98f00b204e9800998ecf8427e
Installed-Time: 1459519200
Auto-Installed: yes

Package: removed
Version: 1
Status: deinstall user not-installed
Architecture: all
`, []Package{{"base-files", "3.0.14-r89", "vmware"}}},
		{"image.manifest", "zlib core2-32 1.2.8-r0\n\nbusybox core2-32 1.23.2-r0\nbusybox core2-32 1.23.2-r0\n", []Package{{"busybox", "1.23.2-r0", "core2-32"}, {"zlib", "1.2.8-r0", "core2-32"}}},
	} {
		got, err := ReadPackages(c.name, strings.NewReader(c.text))
		if err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%s: got %v, error %v, want %v", c.name, got, err, c.want)
		}
	}
	for name, text := range map[string]string{
		"no field": "Package\n",
		"tab":      "Package: a\tb\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
		"newline":  "Package: a\n b\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
		"empty":    "Package: a\nStatus: install ok installed\nArchitecture: all\n",
		"escape":   "Package: a\x1b[2J\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
		// lines of a manifest
		"two.manifest": "a b\n",
	} {
		if got, err := ReadPackages(name, strings.NewReader(text)); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func FuzzReadPackages(f *testing.F) {
	f.Add("Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"status", "x.manifest"} {
			list, err := ReadPackages(name, strings.NewReader(text))
			if err != nil {
				continue
			}
			var b strings.Builder
			if err := writeManifest(&b, list); err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(b.String(), "\n"); got != len(list) || strings.Count(b.String(), "\t") != 2*len(list) {
				t.Errorf("%d packages in %d lines", len(list), got)
			}
		}
	})
}

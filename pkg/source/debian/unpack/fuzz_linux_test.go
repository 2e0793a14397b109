// SPDX-License-Identifier: MPL-2.0

package unpack

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
)

func FuzzParseDeb(f *testing.F) {
	f.Add(debtest.Base()[0].Build(f))
	f.Add(debtest.Base()[1].Build(f))
	f.Add([]byte("!<arch>\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		d, err := parseDeb(data)
		if err != nil {
			return
		}
		c, err := d.readControl()
		if err != nil {
			return
		}
		_, _ = c.conffiles()
		_, _ = c.interests()
	})
}

// FuzzExtract extracts arbitrary tars: nothing may appear outside the root, and no
// listed name may leave it.
func FuzzExtract(f *testing.F) {
	for _, d := range debtest.Base() {
		f.Add(debtest.Tar(f, d.Files))
	}
	f.Add(debtest.Tar(f, []tar.Header{debtest.Link('2', "./l", "../.."), debtest.File("./l/evil", 0o644, "x"), debtest.Link('1', "./h", "../x")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		root := filepath.Join(outer, "root")
		must(t, os.Mkdir(root, 0o755))
		dir, err := openRoot(root)
		must(t, err)
		defer dir.close()
		u := &unpacking{Set: Set{Arch: "amd64", MergedUsr: true}, Options: Options{SkipOwners: true}, root: dir, owners: map[string]*unpacked{}}
		must(t, u.skeleton())
		p := &unpacked{
			Package: Package{Name: "p"}, files: map[string]bool{}, lost: map[string]bool{},
			conffiles: []conffile{{"/etc/x", false}},
		}
		_ = newExtractor(u, p).run(deb{dataName: "data.tar", data: data})
		entries, err := os.ReadDir(outer)
		must(t, err)
		if len(entries) != 1 {
			t.Errorf("beside the root: %v", entries)
		}
		for _, line := range strings.Split(p.fileList(), "\n") {
			if strings.Contains(line+"/", "/../") {
				t.Errorf("listed: %q", line)
			}
		}
	})
}

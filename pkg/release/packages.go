// SPDX-License-Identifier: MPL-2.0

package release

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// maxStatus is more than a system of 100,000 packages has, in bytes.
const maxStatus = 256 << 20

// StatusFiles are where package managers keep what is installed, the most
// particular first.
func StatusFiles() []string {
	return []string{"/var/lib/opkg/status", "/usr/lib/opkg/status", "/usr/lib/ipkg/status", "/var/lib/dpkg/status"}
}

// FindPackages reads the packages of a root file system, whose files open opens: from
// the file that is named, or where name is "" from the first of StatusFiles that is
// there. A root without any has none.
func FindPackages(name string, open func(name string) (io.ReadCloser, error)) ([]Package, error) {
	files := StatusFiles()
	if name != "" {
		files = []string{name}
	}
	for _, file := range files {
		f, err := open(file)
		if errors.Is(err, fs.ErrNotExist) && name == "" {
			continue
		}
		if err != nil {
			return nil, err
		}
		packages, err := ReadPackages(file, f)
		return packages, errors.Join(err, f.Close())
	}
	return []Package{}, nil
}

// ReadPackages reads dpkg's or opkg's status file, or the .manifest that Yocto
// writes beside an image, as its name says.
func ReadPackages(name string, r io.Reader) ([]Package, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxStatus+1))
	if err == nil && len(text) > maxStatus {
		err = fmt.Errorf("more than %d MiB", maxStatus>>20)
	}
	var out []Package
	if err == nil && strings.HasSuffix(name, ".manifest") {
		out, err = parseManifest(string(text))
	} else if err == nil {
		out, err = parseStatus(string(text))
	}
	if err != nil {
		return nil, fmt.Errorf("read packages of %s: %w", name, err)
	}
	slices.SortFunc(out, comparePackages)
	return slices.Compact(out), nil
}

func comparePackages(a, b Package) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Architecture, b.Architecture), cmp.Compare(a.Version, b.Version))
}

// parseStatus keeps what is installed, or was meant to be.
func parseStatus(text string) ([]Package, error) {
	stanzas, err := debfile.ParseStanzas(text)
	if err != nil {
		return nil, err
	}
	var out []Package
	for _, s := range stanzas {
		state := strings.Fields(s.Get("Status")) // want, flags, state
		if len(state) != 3 || state[2] == "not-installed" || state[2] == "config-files" {
			continue
		}
		p := Package{s.Get("Package"), s.Get("Version"), s.Get("Architecture")}
		if err := p.check(); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// parseManifest reads lines NAME ARCHITECTURE VERSION.
func parseManifest(text string) ([]Package, error) {
	var out []Package
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 {
			return nil, fmt.Errorf("%q: want NAME ARCHITECTURE VERSION", s.Text())
		}
		p := Package{words[0], words[2], words[1]}
		if err := p.check(); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// check keeps what would break a line out of the manifest.
func (p Package) check() error {
	for _, w := range []string{p.Name, p.Version, p.Architecture} {
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("package %q of version %q and architecture %q", p.Name, p.Version, p.Architecture)
		}
	}
	return nil
}

// writeManifest writes lines NAME, VERSION, ARCHITECTURE with tabs between.
func writeManifest(w io.Writer, packages []Package) error {
	var err error
	for _, p := range packages {
		_, e := fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, p.Version, p.Architecture)
		err = errors.Join(err, e)
	}
	return err
}

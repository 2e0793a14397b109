// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// pair is a package of the new feed and the one of the older feed that may
// stand in its place.
type pair struct {
	new    *Package
	old    *Package // nil: there is none
	reason string   // why the new one is taken; "" while the old one may be kept
}

// identity is what a candidate must share with a package: 1.0 is not 1.0.1, and
// of two architectures each has its own.
type identity struct{ name, arch, base string }

func (p *Package) identity() identity { return identity{p.Name, p.Arch, base(p.Version)} }

// match finds the newest candidate for each package.
func match(packages, older []*Package) []*pair {
	newest := map[identity]*Package{}
	for _, o := range older {
		if have := newest[o.identity()]; have == nil || compareVersions(o.Version, have.Version) > 0 {
			newest[o.identity()] = o
		}
	}
	out := make([]*pair, len(packages))
	for i, p := range packages {
		out[i] = &pair{new: p, old: newest[p.identity()]}
		if out[i].old == nil {
			out[i].reason = "there is no older package of " + base(p.Version)
		}
	}
	return out
}

// compare sets the reason if the two differ in anything but the versions of
// their relations, which depend on what becomes of other packages.
func (p *pair) compare(l debfile.Limits) error {
	if p.reason = p.controlDiffers(); p.reason != "" {
		return nil
	}
	if p.reason = firstDifference("control member ", scripts(p.new.control), scripts(p.old.control)); p.reason != "" {
		return nil
	}
	return p.new.with(l, func(n *debfile.File, _ int64) error {
		return p.old.with(l, func(o *debfile.File, _ int64) (err error) {
			p.reason, err = dataDiffers(n, o)
			return err
		})
	})
}

func (p *pair) controlDiffers() string {
	blank := func(ref) string { return "?" }
	n, o := byName(p.new.control.Fields), byName(p.old.control.Fields)
	if skeleton(n, blank) == skeleton(o, blank) && len(p.new.refs) == len(p.old.refs) {
		return ""
	}
	for _, f := range n {
		one := func(v string) string { return skeleton(debfile.Stanza{{Name: f.Name, Value: v}}, blank) }
		if !o.Has(f.Name) || one(f.Value) != one(o.Get(f.Name)) {
			return "field " + f.Name + " differs"
		}
	}
	return "the older one has more fields"
}

// dataDiffers compares the files of two packages, and says what is not alike.
func dataDiffers(n, o *debfile.File) (string, error) {
	if same, err := sameStored(n, o); err != nil || same {
		return "", err
	}
	a, err := entries(n)
	if err != nil {
		return "", err
	}
	b, err := entries(o)
	if err != nil {
		return "", fmt.Errorf("older package: %w", err)
	}
	return firstDifference("", a, b), nil
}

// sameStored spares the decompression where the compressed bytes are the same.
func sameStored(n, o *debfile.File) (bool, error) {
	nameN, sizeN, a, err := n.StoredData()
	if err != nil {
		return false, err
	}
	nameO, sizeO, b, err := o.StoredData()
	if err != nil {
		return false, err
	}
	if nameN != nameO || sizeN != sizeO {
		return false, nil
	}
	return sameBytes(a, b)
}

func sameBytes(a, b io.Reader) (bool, error) {
	var x, y [32 << 10]byte
	for {
		n, err := io.ReadFull(a, x[:])
		m, err2 := io.ReadFull(b, y[:])
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if end || err != nil || err2 != nil {
			if end {
				err = nil
			}
			if errors.Is(err2, io.EOF) || errors.Is(err2, io.ErrUnexpectedEOF) {
				err2 = nil
			}
			return err == nil && err2 == nil, errors.Join(err, err2)
		}
	}
}

// firstDifference names the first path at which two sorted lists differ.
func firstDifference(what string, a, b []entry) string {
	for i := range max(len(a), len(b)) {
		switch {
		case i == len(b) || i < len(a) && cmp.Less(a[i].path, b[i].path):
			return what + a[i].path + " is new"
		case i == len(a) || cmp.Less(b[i].path, a[i].path):
			return what + b[i].path + " is gone"
		case a[i] != b[i]:
			return what + a[i].path + " differs"
		}
	}
	return ""
}

// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"archive/tar"
	"fmt"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/debfile"
)

func fingerprintOf(t *testing.T, p fake) string {
	t.Helper()
	dir := newFeed(t, p)
	i, err := Inspect(dir+"/"+p.arch()+"/"+p.file(), debfile.DefaultLimits())
	must(t, err)
	defer i.Close()
	f, err := i.Fingerprint()
	must(t, err)
	return f.Sum
}

func TestFingerprint(t *testing.T) {
	h := func(change func(*tar.Header)) []tar.Header {
		h := tar.Header{Typeflag: tar.TypeReg, Name: "./f", Mode: 0o644, Size: 1, ModTime: time.Unix(1450000000, 0)}
		change(&h)
		return []tar.Header{{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755}, h}
	}
	kind := func(flag byte, more func(*tar.Header)) []tar.Header {
		return h(func(h *tar.Header) {
			h.Typeflag, h.Size = flag, 0
			more(h)
		})
	}
	base := fake{Name: "a", Version: "1.0-r0.1", Content: "x", Files: h(func(*tar.Header) {})}
	with := func(change func(*fake)) fake {
		p := base
		change(&p)
		return p
	}
	same := map[string]fake{
		"other build": with(func(p *fake) { p.Version = "1.0-r0.2" }),
		"other times": with(func(p *fake) { p.Time = time.Unix(5, 0); p.Files = h(func(h *tar.Header) { h.ModTime = p.Time }) }),
		"sub-second times": with(func(p *fake) {
			p.Files = h(func(h *tar.Header) { h.Format, h.ModTime = tar.FormatPAX, time.Unix(5, 5) })
		}),
		"name without ./":    with(func(p *fake) { p.Files = h(func(h *tar.Header) { h.Name = "f" }) }),
		"other order":        with(func(p *fake) { f := h(func(*tar.Header) {}); p.Files = []tar.Header{f[1], f[0]} }),
		"size on build host": with(func(p *fake) { p.Fields = "Installed-Size: 77\n" }),
	}
	for name, p := range same {
		if got, want := fingerprintOf(t, p), fingerprintOf(t, base); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	other := map[string]fake{
		"base":       base,
		"content":    with(func(p *fake) { p.Content = "y" }),
		"version":    with(func(p *fake) { p.Version = "1.1-r0.1" }),
		"field":      with(func(p *fake) { p.Fields = "Section: x\n" }),
		"depends":    with(func(p *fake) { p.Fields = "Depends: b\n" }),
		"depends of": with(func(p *fake) { p.Fields = "Depends: b (= 3)\n" }),
		"script":     with(func(p *fake) { p.Script = "#!/bin/sh\n" }),
		"script 2":   with(func(p *fake) { p.Script = "#!/bin/sh\nexit\n" }),
		"path":       with(func(p *fake) { p.Files = h(func(h *tar.Header) { h.Name = "./g" }) }),
		"mode":       with(func(p *fake) { p.Files = h(func(h *tar.Header) { h.Mode = 0o755 }) }),
		"setuid":     with(func(p *fake) { p.Files = h(func(h *tar.Header) { h.Mode = 0o4644 }) }),
		"uid":        with(func(p *fake) { p.Files = h(func(h *tar.Header) { h.Uid = 7 }) }),
		"gid":        with(func(p *fake) { p.Files = h(func(h *tar.Header) { h.Gid = 7 }) }),
		"user":       with(func(p *fake) { p.Files = h(func(h *tar.Header) { h.Uname = "mail" }) }),
		"group":      with(func(p *fake) { p.Files = h(func(h *tar.Header) { h.Gname = "mail" }) }),
		"one less":   with(func(p *fake) { p.Files = p.Files[1:] }),
		"link":       with(func(p *fake) { p.Files = kind(tar.TypeSymlink, func(h *tar.Header) { h.Linkname = "a" }) }),
		"link 2":     with(func(p *fake) { p.Files = kind(tar.TypeSymlink, func(h *tar.Header) { h.Linkname = "/a" }) }),
		"hard link":  with(func(p *fake) { p.Files = kind(tar.TypeLink, func(h *tar.Header) { h.Linkname = "a" }) }),
		"device":     with(func(p *fake) { p.Files = kind(tar.TypeChar, func(h *tar.Header) { h.Devmajor = 1 }) }),
		"device 2":   with(func(p *fake) { p.Files = kind(tar.TypeChar, func(h *tar.Header) { h.Devminor = 1 }) }),
		"block":      with(func(p *fake) { p.Files = kind(tar.TypeBlock, func(h *tar.Header) { h.Devmajor = 1 }) }),
		"directory":  with(func(p *fake) { p.Files = kind(tar.TypeDir, func(*tar.Header) {}) }),
		"fifo":       with(func(p *fake) { p.Files = kind(tar.TypeFifo, func(*tar.Header) {}) }),
		"attribute": with(func(p *fake) {
			p.Files = h(func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "x"} })
		}),
	}
	seen := map[string]string{}
	for name, p := range other {
		sum := fingerprintOf(t, p)
		if have, ok := seen[sum]; ok {
			t.Errorf("%s and %s have one fingerprint", name, have)
		}
		seen[sum] = name
	}
	own := func(v string) fake {
		return fake{Name: "a-dev", Version: v, Fields: "Depends: a (= " + v + "), b (= 1.0-r0.9)\n"}
	}
	if fingerprintOf(t, own("1.0-r0.1")) != fingerprintOf(t, own("1.0-r0.2")) {
		t.Error("a relation to the same build counts")
	}
}

// Where a path occurs more than once the last one is what gets installed. The
// order of others does not count.
func TestFingerprintOrder(t *testing.T) {
	archive := func(modes []int64, others int) fake {
		p := fake{Name: "a", Version: "1"}
		for i, m := range modes {
			for j := range 7 {
				p.Files = append(p.Files, tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("./%d-%d", i, (others*j+j)%7), Mode: 0o400})
			}
			if i%2 == others%2 {
				p.Files = append(p.Files, tar.Header{Typeflag: tar.TypeReg, Name: "./f", Mode: m})
				continue
			}
			last := len(p.Files) - 1
			p.Files = append(p.Files[:last], tar.Header{Typeflag: tar.TypeReg, Name: "f", Mode: m}, p.Files[last])
		}
		return p
	}
	var up, down []int64
	for i := range 40 {
		up, down = append(up, int64(i)), append(down, int64(39-i))
	}
	if fingerprintOf(t, archive(up, 0)) == fingerprintOf(t, archive(down, 0)) {
		t.Error("the order of files of one name does not count")
	}
	if fingerprintOf(t, archive(up, 0)) != fingerprintOf(t, archive(up, 1)) {
		t.Error("the order of other files counts")
	}
}
